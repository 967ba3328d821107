"""One record an exchange, whatever its ending; and what happens when there can be none."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy.test import tflow

from addons.endingwords import error_word
from addons.flownotes import flow_notes
from addons.trafficlog import TrafficLog
from logstore.spool import SpoolFull
from tests.addons.host import Host
from tests.addons.people import EVERYBODY, PASSWORD, PUPIL, TEACHER, put_in_force
from tests.rig.clients import Raw, curl
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

BLOCKED = "games.schoolgate.test"


class Refusing:
    """A spool whose disk takes nothing; everything else is the real one."""

    def __init__(self, spool: Any, error: Exception) -> None:
        self._spool, self._error = spool, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._spool, name)

    def _refuse(self, *_: Any) -> None:
        raise self._error

    open = write = fact = _refuse


@pytest.fixture(autouse=True)
def as_it_was(host: Host) -> Iterator[None]:
    """Register and spool of the start."""
    put_in_force(host, *EVERYBODY, revision="everybody")
    spool, choice = host.live.spool, host.live.when_full
    yield
    host.live.spool, host.live.when_full = spool, choice


def fill(host: Host, choice: Any, error: Exception | None = None) -> None:
    """From now on nothing can be recorded."""
    host.live.when_full = choice
    host.live.spool = Refusing(host.live.spool, error or SpoolFull("no room"))  # type: ignore[assignment]


def unrecorded(host: Host) -> float:
    """Everything counted as unrecorded so far."""
    samples = host.live.metrics.unrecorded.collect()[0].samples
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


@pytest.mark.parametrize(
    ("choice", "person", "status"),
    [
        ("block-pupils", PUPIL, 503),
        ("block-pupils", TEACHER, 200),
        ("block-all", PUPIL, 503),
        ("block-all", TEACHER, 503),
        ("count", PUPIL, 200),
        ("count", TEACHER, 200),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_full_spool_does_what_the_school_chose(
    host: Host, origin: Origin, name: str, choice: str, person: Any, status: int, scheme: str
) -> None:
    """A-13: pupils are stopped, staff go on, or everybody is stopped, or everybody is only counted."""
    counted = unrecorded(host)
    fill(host, choice)
    answer = curl(host, f"{scheme}://{name}/page", user=f"{person.name}:{PASSWORD}")
    assert answer.status == status
    assert bool(origin.seen(name)) is (status == 200)
    wait_for(lambda: unrecorded(host) > counted, "it to be counted, at the latest when all of it is sent")
    if status == 503:
        assert answer.headers["x-schoolgate-reason"] == "record"


def test_a_download_that_could_not_be_recorded_comes_piece_by_piece(host: Host, name: str) -> None:
    """Not collected in memory first: the first byte is here while the last is not yet sent."""
    fill(host, "count")
    with Raw(host, timeout=5) as raw:
        raw.send(
            f"GET http://{name}/slow?pieces=3&pause=0.3 HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
        )
        assert raw.read_head().startswith(b"HTTP/1.1 200")
        assert len(raw.socket.recv(100)) < 30
        assert len(raw.read_all()) > 0


@pytest.mark.parametrize("choice", ["block-pupils", "count"])
def test_a_spool_that_breaks_stops_everybody(host: Host, origin: Origin, name: str, choice: str) -> None:
    """That is no full disk but a fault of ours: closed, whatever was chosen."""
    fill(host, choice, OSError("broken on purpose"))
    answer = curl(host, f"http://{name}/page", user=f"{TEACHER.name}:{PASSWORD}")
    assert (answer.status, answer.headers["x-schoolgate-reason"]) == (503, "failure")
    assert not origin.contacted(name)


@pytest.mark.parametrize(
    ("choice", "person", "opens"),
    [
        ("block-pupils", TEACHER, True),
        ("block-pupils", PUPIL, False),
        ("block-all", TEACHER, False),
        ("count", PUPIL, True),
    ],
)
def test_a_tunnel_follows_the_same_choice(host: Host, authority: Any, choice: str, person: Any, opens: bool) -> None:
    """Who goes on keeps the bank to himself; who does not reads why, inside our TLS."""
    from tests.rig.clients import basic

    spool = host.live.spool
    fill(host, choice)
    theirs = ssl.create_default_context(cafile=str(authority.pem))
    ours = ssl.create_default_context(cafile=str(host.ca_cert))
    with Raw(host) as raw:
        assert raw.tunnel("bank.example:443", sign_in=basic(person.name, PASSWORD)) == 200
        raw.secure("bank.example", theirs if opens else ours)
        raw.send(b"GET /page HTTP/1.1\r\nHost: bank.example\r\n\r\n")
        assert raw.answer().status == (200 if opens else 503)
        host.live.spool = spool
    if opens:  # there is room again when it ends: the row comes late rather than never
        row = wait_for(
            lambda: next((r for r in host.rows()[-1:] if r.host == "bank.example" and r.user == person.name), None),
            "the row",
        )
        assert wait_for(lambda: host.endings().get(row.id), "the ending").kind == "bypassed"


def test_the_first_ending_wins(host: Host, name: str) -> None:
    """A response and then an error, or the other way round: one record, one ending."""
    log = TrafficLog(host.live)
    for first, second in (("response", "error"), ("error", "response")):
        flow = tflow.tflow(resp=True, err=first == "error")
        written: list[str] = []

        def note(what: str, into: list[str] = written) -> Any:
            return lambda *_, **__: into.append(what)

        host.live.spool = Refusing(host.live.spool, AssertionError())  # type: ignore[assignment]
        host.live.spool.open, host.live.spool.close = note("open"), note("close")  # type: ignore[method-assign]
        host.live.spool.write = note("write")  # type: ignore[method-assign]
        answer, flow.response = flow.response, None
        from policy.model import Action, Reason, Verdict

        flow_notes(flow).verdict = Verdict(Action.ALLOW, Reason.DEFAULT, "fine")
        log.requestheaders(flow)
        flow.response = answer
        getattr(log, first)(flow)
        getattr(log, second)(flow)
        getattr(log, first)(flow)
        assert written == ["open", "close"]


@pytest.mark.parametrize(
    ("path", "kind", "status", "error"),
    [
        ("/page", "response", 200, None),
        ("/status/404", "response", 404, None),
        ("/half", "error", 200, "closed early"),
        ("/reset", "error", 502, None),
    ],
)
def test_every_ending_has_its_word(host: Host, name: str, path: str, kind: str, status: int, error: str | None) -> None:
    """And its status, and one ending only."""
    curl(host, f"http://{name}{path}")
    row = next(row for row in reversed(host.rows()) if row.host == name)
    ending = wait_for(lambda: host.endings().get(row.id), "the ending")
    assert (str(ending.kind), ending.status) == (kind, status)
    assert (ending.error is not None) is (kind == "error")
    assert error is None or ending.error == error
    assert sum(one.host == name for one in host.rows()) == 1


def test_our_own_page_is_a_record_of_its_own(host: Host) -> None:
    """Opened and closed at once; the bytes are those of the page, the type is not the site's."""
    answer = curl(host, f"http://{BLOCKED}/private?token=abc&q=chess")
    row = host.rows()[-1]
    ending = host.endings()[row.id]
    assert (str(ending.kind), ending.status, ending.bytes_down) == ("blocked", 403, len(answer.body))
    assert ending.content_type is None
    assert str(row.id) == answer.headers["x-schoolgate-reference"]
    assert "abc" not in repr(row)


@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("Certificate verify failed: self-signed certificate", "certificate"),
        ("Server TLS handshake failed. The certificate of this site is revoked, says its own CA", "revoked"),
        ("refused: loopback", "guard"),
        ("Client disconnected.", "client left"),
        ("[Errno -2] Name or service not known", "no such name"),
        ("[Errno 111] Connect call failed ('10.1.2.3', 443)", "refused"),
        ("connect timed out", "timeout"),
        ("Connection reset by peer", "reset"),
        ("server closed connection", "closed early"),
        ("something about secret.example", "failed"),
    ],
)  # fmt: skip
def test_an_error_is_one_of_a_few_words(message: str, word: str) -> None:
    """No address, no name: the word is for counting."""
    assert error_word(message) == word
