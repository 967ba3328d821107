"""A site that says it is at work before it answers (RFC 9110 §15.2), and one that says nothing else.

Shows: `addons.originheads`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.rig.certificates import Authority
from tests.rig.clients import Browser
from tests.rig.gateway import Gateway

pytestmark = pytest.mark.e2e
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
WORKING = b"HTTP/1.1 102 Processing\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Site:
    """Answers every request to a host with the pieces said for it, so many seconds apart."""

    def __init__(self, authority: Authority) -> None:
        self.said: dict[str, tuple[float, Sequence[bytes]]] = {}
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.sni_callback = lambda end, name, _: setattr(end, "context", authority.context(name or ""))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._run, daemon=True).start()

    def says(self, name: str, *pieces: bytes, pause: float = 0.0) -> None:
        """From now on."""
        self.said[name] = pause, pieces

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=self.listener.accept()[:1], daemon=True).start()

    def _answer(self, end: socket.socket) -> None:
        with contextlib.suppress(OSError):
            end.settimeout(60)
            if end.recv(1, socket.MSG_PEEK) == b"\x16":
                end = self._tls.wrap_socket(end, server_side=True)
            with end:
                while (name := _asked(end)) is not None:
                    pause, pieces = self.said[name]
                    for piece in pieces:
                        end.sendall(piece)
                        time.sleep(pause)  # the pace the test is about


def _asked(end: socket.socket) -> str | None:
    """The host of the next request."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := end.recv(65536)):
            return None
        data += piece
    return data.partition(b"Host: ")[2].partition(b"\r\n")[0].decode()


@pytest.fixture(scope="module")
def site(authority: Authority) -> Iterator[Site]:
    """Behind every name."""
    made = Site(authority)
    with made.listener:
        yield made


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, site: Site, authority: Authority) -> Iterator[Gateway]:
    """A gateway with little patience."""
    settings = {"proxy": {"idle_timeout": 5}}
    made = Gateway(tmp_path_factory.mktemp("interim"), origin=site.address, trust=authority.pem, settings=settings)
    try:
        yield made.start()
        made.stop()
    finally:
        made.kill()


SAID = {
    "hints": (HINTS, ANSWER),
    "in one piece": (HINTS + WORKING + ANSWER,),
    "cut anywhere": (HINTS[:7], HINTS[7:-2], HINTS[-2:] + GO_ON[:20], GO_ON[20:] + ANSWER[:9], ANSWER[9:]),
    "with bare line ends": (HINTS.replace(b"\r\n", b"\n"), ANSWER),
}


@pytest.mark.parametrize("pieces", SAID.values(), ids=SAID.keys())
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_answer_behind_interim_answers_comes(
    school: Gateway, site: Site, name: str, scheme: str, pieces: tuple[bytes, ...]
) -> None:
    """And the next one on the same connection; the rows have the status of the answer."""
    site.says(name, *pieces, pause=0.05)
    with Browser(school) as browser:
        for _ in range(2):
            answer = browser.fetch(f"{scheme}://{name}/")
            assert (answer.status, answer.body) == (200, b"ok")
    rows = school.wait_for_rows(2, host=name)
    assert [(row["status"], row["ending"]) for row in rows] == [(200, "response")] * 2


def test_a_site_that_says_it_is_at_work_is_waited_for(school: Gateway, site: Site, name: str) -> None:
    """Longer than its pace allows, as one that says nothing at all is: each of its words is whole."""
    site.says(name, *[WORKING] * 10, ANSWER, pause=1.5)
    with Browser(school) as browser:
        assert browser.fetch(f"http://{name}/").status == 200
    (row,) = school.wait_for_rows(1, host=name)
    assert (row["ending"], row["error"]) == ("response", None)


@pytest.mark.parametrize("first", [b"", WORKING], ids=["from the first octet on", "behind a whole one"])
def test_a_site_that_drips_an_interim_answer_drips(school: Gateway, site: Site, name: str, first: bytes) -> None:
    """Octet by octet, and never whole; a whole one excuses no more than the window it came in."""
    site.says(name, first, *[bytes([octet]) for octet in HINTS], pause=0.5)
    with Browser(school) as browser:
        assert browser.fetch(f"http://{name}/").status == 502
    (row,) = school.wait_for_rows(1, host=name)
    assert (row["ending"], row["error"]) == ("error", "answer too slow")


def test_interim_answers_without_end_are_given_up_on(school: Gateway, site: Site, name: str) -> None:
    """Their bytes count with the head's."""
    site.says(name, *[HINTS * 1000] * 100)
    with Browser(school) as browser:
        assert browser.fetch(f"http://{name}/").status == 502
    (row,) = school.wait_for_rows(1, host=name)
    assert row["ending"] == "error"


def test_an_interim_answer_in_an_odd_spelling_is_the_sites_error(school: Gateway, site: Site, name: str) -> None:
    """Our page, where a browser would go on waiting for the answer."""
    site.says(name, HINTS.replace(b" 103", b"  103"), ANSWER)
    with Browser(school) as browser:
        assert browser.fetch(f"http://{name}/").status == 502
    (row,) = school.wait_for_rows(1, host=name)
    assert (row["ending"], row["error"]) == ("error", "protocol")


def test_interim_answers_count_for_the_answer_they_precede(school: Gateway, site: Site, name: str) -> None:
    """A connection lasts for many exchanges."""
    site.says(name, HINTS * 4000, ANSWER)
    with Browser(school) as browser:
        assert [browser.fetch(f"http://{name}/").status for _ in range(4)] == [200] * 4
