"""A site that says nothing is ended when the idle clock has run out, and its client gets our page, which says so.

Shows: `addons.filter`, `proxy.connection`.
"""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from addons import silence
from tests.addons.host import Host
from tests.addons.site import Site
from tests.addons.test_cutting import client_hello
from tests.rig.clients import Raw, trusting
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

type Row = tuple[str, str, int | None, str | None, str | None]
"""Method, ending, status, error and reason of a row."""
SILENT: Row = ("GET", "error", 504, "no answer", "upstream")


def connection(host: Host, raw: Raw) -> Any:
    """What the gateway has of this client's."""
    assert host.master is not None
    (handler,) = [
        each for each in host.master.server.connections.values() if each.client.peername == raw.socket.getsockname()
    ]
    return handler


def nothing_moves(host: Host, raw: Raw) -> None:
    """The idle clock runs out."""
    handler = connection(host, raw)
    host.call(handler._idle)


def rows_of(host: Host, name: str, number: int) -> list[Row]:
    def ended() -> list[Row]:
        endings = host.endings()
        mine = [(row.method, endings[row.id]) for row in host.rows() if row.host == name and row.id in endings]
        return [(method, str(end.kind), end.status, end.error, end.reason) for method, end in mine]

    return wait_for(lambda: found if len(found := ended()) >= number else [], "the rows")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("inside", [False, True], ids=["at the proxy", "in a tunnel"])
def test_whoever_waits_for_a_silent_site_gets_our_page(
    host: Host, origin: Origin, name: str, inside: bool, method: str
) -> None:
    """In the school's words, and the row blames nobody but the site; also behind a page that came."""
    with Raw(host) as raw:
        if inside:
            assert raw.tunnel(f"{name}:443") == 200
            raw.secure(name, trusting(host))
        target = "" if inside else f"http://{name}"
        fields = f"Host: {name}\r\nAccept: text/html\r\n"
        raw.send(f"GET {target}/page HTTP/1.1\r\n{fields}\r\n".encode())
        assert raw.answer().status == 200
        before = len(origin.seen(name))
        body = "Content-Length: 8\r\n\r\nhomework" if method == "POST" else "\r\n"
        raw.send(f"{method} {target}/hang HTTP/1.1\r\n{fields}{body}".encode())
        wait_for(lambda: len(origin.seen(name)) > before, "the site to be asked", every=0.02)
        nothing_moves(host, raw)
        answer = raw.answer()
        assert (answer.status, answer.headers["content-type"]) == (504, "text/html; charset=utf-8")
        assert name in answer.text
        assert raw.read_all() == b""
    (_, row) = rows_of(host, name, 2)
    assert row == (method, *SILENT[1:])


def test_a_fault_of_ours_ends_the_connection_all_the_same(
    host: Host, origin: Origin, name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Else its clock would have run out for good, and it would stay."""

    def fails() -> Any:
        raise RuntimeError("somebody else's exchange")

    with Raw(host) as raw:
        raw.send(f"GET http://{name}/hang HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        wait_for(lambda: origin.seen(name), "the site to be asked", every=0.02)
        monkeypatch.setattr(silence, "unfinished_flows", fails)
        nothing_moves(host, raw)
        assert raw.read_all() == b""
    assert "silent site" in caplog.text
    assert [(method, kind, error) for method, kind, _, error, _ in rows_of(host, name, 1)] == [
        ("GET", "aborted", "nothing moved")
    ]


@pytest.mark.parametrize("come", ["half an upload", "half an answer"])
def test_what_is_half_there_gets_no_page(host: Host, origin: Origin, name: str, come: str) -> None:
    """A client that does not go on is not waiting, and behind half an answer no page can stand."""
    with Raw(host) as raw:
        if come == "half an upload":
            raw.send(f"POST http://{name}/upload HTTP/1.1\r\nHost: {name}\r\nContent-Length: 9\r\n\r\nhome".encode())
            wait_for(lambda: origin.contacted(name), "the site to be reached", every=0.02)
            nothing_moves(host, raw)
            assert raw.read_all() == b""
        else:
            raw.send(f"GET http://{name}/slow?pieces=100&pause=0.2 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            assert raw.read_head().startswith(b"HTTP/1.1 200")
            nothing_moves(host, raw)
            assert b"HTTP/1.1" not in raw.read_all()
    ((_, kind, _, error, _),) = rows_of(host, name, 1)
    assert (kind, error) == ("aborted", "nothing moved")


def test_a_client_that_asked_nothing_gets_no_page(host: Host, name: str) -> None:
    """An open connection on which every answer has come just ends, and its site's with it."""
    with Raw(host) as raw:
        raw.send(f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert raw.answer().status == 200
        nothing_moves(host, raw)
        assert raw.read_all() == b""
    assert [row[1] for row in rows_of(host, name, 1)] == ["response"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_site_that_never_shakes_hands_is_silent(tmp_path: Path, name: str, scheme: str) -> None:
    """Its TLS is waited for before the client's goes on, or with a request: the page comes inside, either way."""
    site = Site()
    with site.listener, Host(tmp_path, site.address).running() as host, Raw(host) as raw:
        request = f"GET {{}}/ HTTP/1.1\r\nHost: {name}\r\nAccept: text/html\r\n\r\n"
        if scheme == "https":
            assert raw.tunnel(f"{name}:443") == 200
            handler = connection(host, raw)
            end = securing(raw, site, host, handler, name)
            raw.send(request.format("").encode())
        else:
            raw.send(request.format(f"https://{name}").encode())
            end, _ = site.listener.accept()
            assert end.recv(1)
            nothing_moves(host, raw)
        with end:
            assert raw.answer().status == 504
        assert rows_of(host, name, 1) == [SILENT]


def securing(raw: Raw, site: Site, host: Host, handler: Any, name: str) -> socket.socket:
    """The client's handshake, in the middle of which nothing moves; the site's end of it."""
    ends: list[socket.socket] = []

    def run_out() -> None:
        end, _ = site.listener.accept()
        ends.append(end)
        assert end.recv(1)
        host.call(handler._idle)

    clock = threading.Thread(target=run_out)
    clock.start()
    raw.secure(name, trusting(host))
    clock.join(10)
    return ends[0]


def test_behind_a_silent_site_the_clock_runs_anew(tmp_path: Path, name: str) -> None:
    """A client that says nothing more, once it may go on, is ended by it in its turn."""
    site = Site()
    with site.listener, Host(tmp_path, site.address).running() as host, Raw(host) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        raw.send(client_hello(name))
        end, _ = site.listener.accept()
        with end:
            assert end.recv(1)
            clock = connection(host, raw).timeout_watchdog
            clock.seconds = 0.1
            host.call(clock.begin)
            assert raw.read_all().startswith(b"\x16"), "our side of the handshake, and then the end"
        assert [row[:2] for row in rows_of(host, name, 1)] == [("CONNECT", "tls-refused")]


def test_half_the_head_of_an_answer_is_nothing_of_it(tmp_path: Path, name: str) -> None:
    """Nothing of it has gone to the client, who gets our page as from a site that said nothing at all."""
    site = Site()
    with site.listener, Host(tmp_path, site.address).running() as host, Raw(host) as raw:
        raw.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\nAccept: text/html\r\n\r\n".encode())
        with site.asked() as end:
            clock = connection(host, raw).timeout_watchdog
            before = clock.last_activity
            end.sendall(b"HTTP/1.1 200 OK\r\nCon")
            wait_for(lambda: host.call(lambda: clock.last_activity) > before, "the half to be heard", every=0.02)
            nothing_moves(host, raw)
            answer = raw.answer()
        assert (answer.status, answer.headers["content-type"]) == (504, "text/html; charset=utf-8")
        assert name in answer.text
        assert raw.read_all() == b""
        assert rows_of(host, name, 1) == [SILENT]
