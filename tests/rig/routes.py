"""What the origins answer, by path. Every route says in one line what real thing it stands for."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable

import brotli
import zstandard
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from tests.rig.exchange import Exchange

Route = Callable[[Exchange], Awaitable[None]]
ROUTES: dict[str, Route] = {}
BLOCK = b"0123456789abcdef" * 4096
"""64 KiB of body."""
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 §1.3."""


def _route(path: str) -> Callable[[Route], Route]:
    def register(route: Route) -> Route:
        ROUTES[path] = route
        return route

    return register


async def route(exchange: Exchange) -> None:
    """Answer by path; every unknown path is a small page."""
    if exchange.arrival.path.startswith("/status/"):
        await exchange.body()
        await exchange.answer(b"", status=f"{exchange.arrival.path.removeprefix('/status/')} Status")
        return
    await ROUTES.get(exchange.arrival.path, page)(exchange)


@_route("/page")
async def page(exchange: Exchange) -> None:
    """An ordinary page; `?title=` sets its title."""
    await exchange.body()
    title = exchange.arrival.query.get("title", f"Page of {exchange.arrival.host}")
    text = f"<!doctype html><html><head><title>{title}</title></head><body><p>origin content</p></body></html>"
    await exchange.answer(text.encode())


@_route("/last")
async def last(exchange: Exchange) -> None:
    """A page, after which the connection is closed without a word."""
    await page(exchange)
    exchange.keep = False


@_route("/json")
async def data(exchange: Exchange) -> None:
    """An API."""
    body = json.dumps({"host": exchange.arrival.host, "method": exchange.arrival.method}).encode()
    await exchange.body()
    await exchange.answer(body, "application/json")


@_route("/headers")
async def headers(exchange: Exchange) -> None:
    """The request's headers, as they arrived."""
    await exchange.body()
    await exchange.answer(json.dumps(exchange.arrival.headers).encode(), "application/json")


@_route("/image.png")
async def image(exchange: Exchange) -> None:
    """A one-pixel picture."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pixel = zlib.compress(b"\0\xff\0\0")
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    body = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")
    await exchange.answer(body, "image/png")


@_route("/large")
async def large(exchange: Exchange) -> None:
    """A download of `?bytes=`, sent as fast as it is taken; `?kind=` sets its media type."""
    left = int(exchange.arrival.query["bytes"])
    kind = exchange.arrival.query.get("kind", "application/octet-stream")
    exchange.writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {left}\r\n\r\n".encode())
    while left:
        exchange.writer.write(BLOCK[: min(left, len(BLOCK))])
        left -= min(left, len(BLOCK))
        await exchange.writer.drain()


@_route("/slow")
async def slow(exchange: Exchange) -> None:
    """A radio: `?pieces=` small pieces, `?pause=` seconds apart."""
    pieces, pause = int(exchange.arrival.query.get("pieces", "5")), float(exchange.arrival.query.get("pause", "0.1"))
    exchange.writer.write(
        f"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: {pieces * 10}\r\n\r\n".encode()
    )
    for _ in range(pieces):
        exchange.writer.write(b"0123456789")
        await exchange.writer.drain()
        await asyncio.sleep(pause)


@_route("/chunked")
async def chunked(exchange: Exchange) -> None:
    """A page in chunks."""
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n")
    for piece in (b"<title>In chunks</title>", b"<p>one", b"<p>two"):
        exchange.writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await exchange.writer.drain()
    exchange.writer.write(b"0\r\n\r\n")
    await exchange.writer.drain()


@_route("/upload")
async def upload(exchange: Exchange) -> None:
    """Takes a body of any size and says how large it was."""
    if (exchange.arrival.header("expect") or "").lower() == "100-continue":
        exchange.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    await exchange.body()
    await exchange.answer(str(exchange.arrival.body).encode(), "text/plain")


@_route("/redirect")
async def redirect(exchange: Exchange) -> None:
    """Sends the browser on to `?to=`."""
    await exchange.answer(b"", status="302 Found", Location=exchange.arrival.query["to"])


@_route("/gzip-bomb")
async def gzip_bomb(exchange: Exchange) -> None:
    """A page of `?bytes=` zeros, compressed about a thousandfold."""
    packed = gzip.compress(bytes(int(exchange.arrival.query["bytes"])), 6)
    await exchange.answer(packed, "text/html", Content_Encoding="gzip")


@_route("/broken")
async def broken_page(exchange: Exchange) -> None:
    """A page that is packed by `?encoding=` and ends in octets that are no such coding."""
    encoding = exchange.arrival.query["encoding"]
    await exchange.answer(broken(encoding), Content_Encoding=encoding)


def broken(encoding: str) -> bytes:
    """100 kB, in blocks of which several are undone together; what the last ones say is lost with the fault."""
    lines = [b"<p>%s</p>\n" % hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(3000)]
    if encoding == "br":
        return brotli.compress(b"".join(lines), quality=4) + b"x"
    engine = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    blocks = [b"".join(lines[at : at + 100]) for at in range(0, len(lines), 100)]
    packed = [engine.compress(block) + engine.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for block in blocks]
    return b"".join(packed) + engine.flush()[:-4] + b"none"


@_route("/reset")
async def reset(exchange: Exchange) -> None:
    """Breaks the connection instead of answering."""
    raw = exchange.writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.writer.transport.abort()
    exchange.keep = False


@_route("/half")
async def half(exchange: Exchange) -> None:
    """Promises 1000 bytes, sends 10 and hangs up."""
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n0123456789")
    await exchange.writer.drain()
    exchange.keep = False


@_route("/garbage")
async def garbage(exchange: Exchange) -> None:
    """Not HTTP at all."""
    exchange.writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\0\1\2\3\r\n\r\n")
    await exchange.writer.drain()
    exchange.keep = False


BLAME = b"HTTP/1.1 killed by a client disconnect, certificate refused:"
"""What a site may say of its failure that is not for it to say."""


@_route("/blame")
async def blame(exchange: Exchange) -> None:
    """A line that is no answer."""
    exchange.writer.write(BLAME + b"\r\n\r\n")
    await exchange.writer.drain()
    exchange.keep = False


@_route("/half-blame")
async def half_blame(exchange: Exchange) -> None:
    """The same, and the end of the connection in the middle of it."""
    exchange.writer.write(BLAME)
    await exchange.writer.drain()
    exchange.keep = False


@_route("/hang")
async def hang(exchange: Exchange) -> None:
    """Never answers."""
    await exchange.reader.read()
    exchange.keep = False


@_route("/deaf")
async def deaf(exchange: Exchange) -> None:
    """Reads nothing of a body, and says nothing."""
    while not exchange.writer.is_closing():
        await asyncio.sleep(0.2)


@_route("/websocket")
async def websocket(exchange: Exchange) -> None:
    """Echoes every WebSocket message (RFC 6455)."""
    key = exchange.arrival.header("sec-websocket-key") or ""
    accept = base64.b64encode(hashlib.sha1((key + WEBSOCKET_GUID).encode()).digest()).decode()
    exchange.writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    exchange.keep = False
    connection = Connection(ConnectionType.SERVER)
    while piece := await exchange.reader.read(65536):
        connection.receive_data(piece)
        for event in connection.events():
            if isinstance(event, CloseConnection):
                exchange.writer.write(connection.send(event.response()))
                return
            if isinstance(event, Ping):
                exchange.writer.write(connection.send(event.response()))
            if isinstance(event, TextMessage | BytesMessage):
                exchange.writer.write(connection.send(event))
        await exchange.writer.drain()


@_route("/alt-svc")
async def alt_svc(exchange: Exchange) -> None:
    """A page that offers HTTP/3 (RFC 7838)."""
    await exchange.answer(b"<p>origin content", Alt_Svc='h3=":443"; ma=86400')


@_route("/endless-header")
async def endless_header(exchange: Exchange) -> None:
    """An answer whose head never ends (here: after 50 MB)."""
    exchange.writer.write(b"HTTP/1.1 200 OK\r\nX-A: ")
    for _ in range(800):
        exchange.writer.write(BLOCK)
        await exchange.writer.drain()
    exchange.keep = False


@_route("/upgrade")
async def upgrade(exchange: Exchange) -> None:
    """Switches to a protocol of its own and echoes bytes."""
    if exchange.arrival.header("upgrade") is None:
        await exchange.answer(b"no upgrade asked for")
        return
    exchange.writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw-tunnel\r\n\r\n")
    exchange.keep = False
    while piece := await exchange.reader.read(65536):
        exchange.writer.write(piece)
        await exchange.writer.drain()


@_route("/with-parts")
async def with_parts(exchange: Exchange) -> None:
    """A page with a frame and a picture from the host named by `?part=`."""
    part = exchange.arrival.query["part"]
    text = (
        "<!doctype html><title>Parts</title><p>lesson text</p>"
        f'<img src="https://{part}/image.png" alt=""><iframe src="https://{part}/frame"></iframe>'
    )
    await exchange.answer(text.encode())


@_route("/written")
async def written(exchange: Exchange) -> None:
    """A page the test wrote: `?page=` is base64 of JSON `{status, head, pieces, order, pause, chunked, at_once}`."""
    await exchange.body()
    told = json.loads(base64.urlsafe_b64decode(exchange.arrival.query["page"]))
    pieces = [base64.b64decode(piece) for piece in told["pieces"]]
    pieces = [pieces[number] for number in told.get("order", range(len(pieces)))]
    lines = [f"HTTP/1.1 {told.get('status', '200 OK')}", *told.get("head", ["Content-Type: text/html; charset=utf-8"])]
    chunked = told.get("chunked", False)
    lines.append("Transfer-Encoding: chunked" if chunked else f"Content-Length: {sum(map(len, pieces))}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode()
    if told.get("at_once"):
        exchange.writer.write(head + b"".join(pieces))
        await exchange.writer.drain()
        return
    exchange.writer.write(head)
    for piece in pieces if exchange.arrival.method != "HEAD" and not lines[0].startswith("HTTP/1.1 304") else ():
        exchange.writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" if chunked else piece)
        await exchange.writer.drain()
        await asyncio.sleep(told.get("pause", 0))
    if chunked:
        exchange.writer.write(b"0\r\n\r\n")
        await exchange.writer.drain()
