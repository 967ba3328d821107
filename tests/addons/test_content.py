"""Bodies are counted and passed on, never held, and never larger than the school allows."""

from __future__ import annotations

import pytest
from mitmproxy.test import tflow

from addons.content import Content, body_kind, count_down, count_up, within_limit
from addons.flownotes import FlowNotes, flow_notes
from addons.live import Live
from addons.pagebody import BodyKind, PageBody
from policy.model import Action, Reason, Verdict
from tests.addons.host import Host
from tests.rig.clients import Raw
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

ALLOWED = Verdict(Action.ALLOW, Reason.DEFAULT, "fine")
BLOCKED = Verdict(Action.BLOCK, Reason.RULE, "closed")


@pytest.mark.parametrize(("verdict", "streamed"), [(ALLOWED, True), (BLOCKED, False), (None, False)])
def test_only_what_was_allowed_is_streamed(live: Live, verdict: Verdict | None, streamed: bool) -> None:
    """The host crashes on a streamed body with an answer set."""
    flow = tflow.tflow(resp=True)
    answer, flow.response = flow.response, None
    flow_notes(flow).verdict = verdict
    Content(live).requestheaders(flow)
    assert callable(flow.request.stream) is streamed
    flow.response = answer
    Content(live).responseheaders(flow)
    assert answer is not None
    assert callable(answer.stream) is streamed


def test_an_answer_is_streamed_also_when_it_could_not_be_recorded(live: Live) -> None:
    """Spool full, school chose to go on: the download must not be collected in memory."""
    flow = tflow.tflow(resp=True)
    notes = flow_notes(flow)
    notes.verdict, notes.recorded, notes.ended = ALLOWED, True, True
    Content(live).responseheaders(flow)
    assert flow.response is not None
    assert callable(flow.response.stream)


def test_a_switch_of_protocol_is_left_alone(live: Live) -> None:
    """101 has no body to stream."""
    flow = tflow.tflow(resp=True)
    assert flow.response is not None
    flow.response.status_code = 101
    flow_notes(flow).verdict = ALLOWED
    Content(live).responseheaders(flow)
    assert not flow.response.stream


def test_bytes_are_counted_both_ways() -> None:
    """And come through unchanged."""
    notes = FlowNotes()
    up, down = count_up(notes), count_down(notes, None)
    assert (up(b"abc"), up(b""), down(b"defg"), down(b"h")) == (b"abc", b"", b"defg", b"h")
    assert (notes.bytes_up, notes.bytes_down) == (3, 5)


@pytest.mark.parametrize(
    ("limit", "pieces", "passed", "within"),
    [(None, [b"x" * 10], 10, True), (10, [b"x" * 5, b"x" * 5], 10, True), (9, [b"x" * 5, b"x" * 5, b"x"], 5, False)],
)
def test_nothing_over_the_limit_is_passed_on(limit: int | None, pieces: list[bytes], passed: int, within: bool) -> None:
    """Whatever the client does not declare."""
    notes = FlowNotes(upload_limit=limit)
    up = count_up(notes)
    assert sum(len(up(piece)) for piece in pieces) == passed
    assert within or up(b"more") == ()  # an empty chunk would end the upload as if it were whole
    assert within_limit(notes) is within


@pytest.mark.parametrize(
    ("method", "status", "content_type", "kind"),
    [
        ("GET", 200, "text/html", BodyKind()),
        ("POST", 404, "TEXT/HTML; charset=utf-8; boundary=x", BodyKind(charset="utf-8")),
        ("GET", 200, "application/xhtml+xml", BodyKind(xml=True)),
        ("GET", 200, "text/html, text/html", BodyKind()),
        ("GET", 200, "image/svg+xml", BodyKind(xml=True)),
        ("GET", 200, "unknown/unknown", BodyKind()),
        ("GET", 200, 'text/plain; charset="iso-8859-1"', BodyKind(charset="iso-8859-1", markup=False)),
        ("GET", 200, "", BodyKind()),
        ("HEAD", 200, "text/html", None),
        ("GET", 304, "text/html", None),
        ("GET", 204, "text/html", None),
        ("GET", 200, "application/json", None),
        ("GET", 200, "image/png", None),
    ],
)
def test_what_a_page_is(method: str, status: int, content_type: str, kind: BodyKind | None) -> None:
    """Everything else is bytes; an answer that does not say what it is may be a page."""
    response = tflow.tflow(resp=True).response
    assert response is not None
    response.status_code = status
    response.headers["content-type"] = content_type
    assert body_kind(method, response) == kind


def test_a_download_is_no_page() -> None:
    """Nobody reads it in the browser."""
    response = tflow.tflow(resp=True).response
    assert response is not None
    response.headers["content-type"] = "text/html"
    response.headers["content-disposition"] = 'Attachment; filename="notes.html"'
    assert body_kind("GET", response) is None


def test_a_title_is_in_the_notes_as_soon_as_it_was_seen() -> None:
    """Cut anywhere."""
    notes = FlowNotes()
    down = count_down(notes, PageBody(BodyKind()))
    for piece in (b"<html><ti", b"tle>Volca", b"noes</tit", b"le>"):
        assert down(piece) == piece
    assert notes.title == "Volcanoes"


CHUNKED = "POST http://{name}/upload HTTP/1.1\r\nHost: {name}\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_chunked_upload_within_the_limit_goes_through(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the byte."""
    monkeypatch.setattr(host.live, "upload_limit", 2000)
    with Raw(host) as raw:
        raw.send(CHUNKED.format(name=name).encode())
        for _ in range(4):
            raw.send(b"1f4\r\n" + b"x" * 500 + b"\r\n")
        raw.send(b"0\r\n\r\n")
        answer = raw.answer()
    assert (answer.status, answer.body) == (200, b"2000")


def test_a_chunked_upload_over_the_limit_is_cut(
    host: Host, origin: Origin, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tells its size only at its end: our page for the client, an unfinished upload for the origin, a row."""
    monkeypatch.setattr(host.live, "upload_limit", 2000)
    with Raw(host) as raw:
        raw.send(CHUNKED.format(name=name).encode())
        for _ in range(5):
            raw.send(b"1f4\r\n" + b"x" * 500 + b"\r\n")
        answer = raw.answer()
    assert (answer.status, answer.headers["connection"]) == (413, "close")
    arrival = wait_for(lambda: origin.seen(name), "the upload to arrive")[0]
    assert arrival.body <= 2000
    assert not arrival.done
    ending = wait_for(lambda: host.endings().get(host.rows()[-1].id), "the ending")
    assert (ending.status, ending.blocked, ending.reason, ending.rule) == (413, True, "guard", "guard:upload-size")
