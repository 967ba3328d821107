"""One request at an origin: what arrived, and the two ends of the connection to answer on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass


@dataclass
class Arrival:
    """One request as the origin saw it."""

    host: str
    """Host header, lower case, without port."""
    method: str
    path: str
    """Path without query."""
    query: dict[str, str]
    headers: list[tuple[str, str]]
    """Names in lower case, in order."""
    secure: bool
    """True over TLS."""
    body: int = 0
    """Body bytes received so far."""
    done: bool = False
    """True once the body came to its end."""

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name.lower()), None)


@dataclass
class Exchange:
    """What a route gets: the request and the two ends of the connection."""

    arrival: Arrival
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    keep: bool = True
    """False closes the connection after the answer."""

    async def body(self, upto: int | None = None) -> bytes:
        """Read and count the request's body; only the first megabyte is kept."""
        kept = bytearray()
        async for piece in self._pieces():
            self.arrival.body += len(piece)
            if len(kept) < 1_000_000:
                kept += piece
            if upto is not None and self.arrival.body >= upto:
                break
        else:
            self.arrival.done = True
        return bytes(kept)

    async def _pieces(self) -> AsyncIterator[bytes]:
        if (self.arrival.header("transfer-encoding") or "").lower() == "chunked":
            while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                yield await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readuntil(b"\r\n")
            return
        left = int(self.arrival.header("content-length") or 0)
        while left:
            piece = await self.reader.read(min(left, 65536))
            if not piece:
                raise ConnectionResetError("the client left in the middle of its body")
            left -= len(piece)
            yield piece

    async def answer(
        self, body: bytes = b"", kind: str = "text/html; charset=utf-8", status: str = "200 OK", **headers: str
    ) -> None:
        """Send a complete answer; header names are written with `_` for `-`."""
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.writer.write(head + (b"" if self.arrival.method == "HEAD" else body))
        await self.writer.drain()
