"""A site that dies at every byte of its answer: no client takes a piece for the whole, and the row says the truth.

Shows: `addons.originheads`, `addons.httplayers`.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.addons.host import Host
from tests.addons.site import Site
from tests.rig.clients import Raw
from tests.rig.waiting import wait_for

BODY = b"<p>whole</p>"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
ANSWERS = {
    "with a length": HEAD + b"Content-Length: 12\r\n\r\n" + BODY,
    "in chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n<p>wh\r\n7\r\nole</p>\r\n0\r\n\r\n",
    "until it closes": HEAD + b"\r\n" + BODY,
}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Behind every name."""
    made = Site()
    with made.listener:
        yield made


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, site: Site) -> Iterator[Host]:
    """A host whose every site is that one."""
    with Host(tmp_path_factory.mktemp("host"), site.address).running() as running:
        yield running


def dies_at_every_byte(site: Site, answer: bytes) -> None:
    """One connection for each number of bytes, up to all of them."""
    for length in range(len(answer) + 1):
        with site.asked() as end:
            end.sendall(answer[:length])
            end.shutdown(socket.SHUT_WR)
            end.recv(1)


def came(raw: Raw) -> tuple[int, bytes, bool]:
    """Status and body of an answer, and whether a client may take it for whole."""
    response = http.client.HTTPResponse(raw.socket)
    response.begin()
    try:
        return response.status, response.read(), True
    except http.client.IncompleteRead as cut:
        return response.status, cut.partial, False


@pytest.mark.parametrize("how", ANSWERS)
def test_a_site_that_dies_at_every_byte(host: Host, site: Site, name: str, how: str) -> None:
    """Before the head is whole: our page. Behind it: what came, and an end that shows that it is not all. Where the
    end of the connection is that of the answer (RFC 9112 §6.3), nobody can tell, and what came is all there is."""
    answer = ANSWERS[how]
    begins = answer.index(b"\r\n\r\n") + 4
    dying = threading.Thread(target=dies_at_every_byte, args=(site, answer), daemon=True)
    dying.start()
    wrong: list[object] = []
    for length in range(len(answer) + 1):
        with Raw(host) as raw:
            raw.send(f"GET http://{name}/{length} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            status, body, whole = came(raw)
        if length < begins:
            right = (status, whole) == (502, True)
        else:
            all_there = how == "until it closes" or length == len(answer)
            right = status == 200 and BODY.startswith(body) and whole is all_there
            right = right and (body == BODY if length == len(answer) else len(body) <= length - begins)
        if not right:
            wrong.append((length, status, body, whole))
    dying.join(10)
    assert not wrong
    assert endings(host, name, len(answer) + 1) == [
        ("error", "closed early")
        if length < begins or (length < len(answer) and how != "until it closes")
        else ("response", None)
        for length in range(len(answer) + 1)
    ]


def endings(host: Host, name: str, number: int) -> list[tuple[str, str | None]]:
    """How each exchange ended, by the number of bytes that were sent."""

    def ended() -> dict[int, tuple[str, str | None]]:
        found = host.endings()
        mine = [row for row in host.rows() if row.host == name and row.id in found]
        return {int((row.path or "/").strip("/")): (str(found[row.id].kind), found[row.id].error) for row in mine}

    rows = wait_for(lambda: told if len(told := ended()) == number else {}, "a row of each")
    return [rows[length] for length in range(number)]
