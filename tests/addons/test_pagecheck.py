"""A page that is looked at fails closed, whatever breaks; what it holds is bounded.

Shows: `addons.holding`, `addons.pagebody`.
"""

from __future__ import annotations

import base64
import gzip
import http.client
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.connection import Client as ClientConnection
from mitmproxy.http import HTTPFlow, Response
from mitmproxy.options import Options
from mitmproxy.proxy.commands import RequestWakeup
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._events import ResponseData
from mitmproxy.test import tflow

from addons import holding, pagecheck
from addons.content import AT_ONCE, Content
from addons.flownotes import flow_notes
from addons.holding import HoldingStream
from addons.pagebody import PADDING, BodyKind, PageBody
from addons.pagecheck import PageCheck
from categories.names import canonical_url
from categories.pagescan import PageScan
from categories.pagetable import PageTable
from logstore.record import EndingKind
from policy.client import Client
from policy.engine import Engine
from policy.model import Action, Reason, Request, Verdict
from tests.addons.host import Host
from tests.addons.readinghost import reading_host
from tests.rig.certificates import Authority
from tests.rig.clients import Answer, Browser, Raw
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

BAD, GOOD = b"<p>a sword", b"<p>a tower"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority: Authority) -> Iterator[Host]:
    """A host whose lists ask for pages."""
    made = reading_host(tmp_path_factory.mktemp("pagecheck"), "< sword ><70>\n", origin, authority)
    with made.running() as running:
        yield running


def url(name: str, *pieces: bytes, **told: Any) -> str:
    """A page the origin will answer with."""
    told["pieces"] = [base64.b64encode(piece).decode() for piece in pieces]
    return f"http://{name}/written?page={base64.urlsafe_b64encode(json.dumps(told).encode()).decode()}"


def fetch(host: Host, address: str, **more: Any) -> Answer:
    """What a Year 11 pupil gets."""
    with Browser(host, source="127.0.0.1") as browser:  # type: ignore[arg-type]
        return browser.fetch(address, **more)


def broken(*_: object, **__: object) -> Any:
    """Stands for a bug."""
    raise RuntimeError("broken on purpose")


@pytest.mark.parametrize("where", ["findings", "feed"])
def test_a_page_that_cannot_be_looked_at_is_closed(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Good or bad: nobody knows."""
    assert fetch(host, url(name, GOOD)).status == 200
    monkeypatch.setattr(PageScan, where, broken)
    answer = fetch(host, url(name, GOOD))
    assert answer.status >= 400
    assert GOOD not in answer.body


@pytest.mark.parametrize("too_long", ["allow", "block"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_becomes_of_a_page_longer_than_what_is_read_is_the_schools_choice(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, too_long: Any, packed: bool
) -> None:
    """Its rest passes and the row says so; or it is closed, or cut where it had begun to show."""
    monkeypatch.setattr(host.live, "pages", replace(host.live.pages, too_long=too_long))
    middle, times = b" tower" * 2_000, 20
    page = GOOD + middle * times + BAD  # the words come where nobody reads any more
    head = ["Content-Type: text/html", *(["Content-Encoding: gzip"] if packed else [])]
    if packed:
        address = url(name, gzip.compress(page), head=head)
    else:
        address = url(name, GOOD, middle, BAD, order=[0, *[1] * times, 2], head=head)
    if too_long == "allow":
        answer = fetch(host, address)
        body = gzip.decompress(answer.body) if packed else answer.body
        assert (answer.status, body) == (200, page)
        assert (host.rows()[-1].note or "").startswith("scanned:")
        return
    if packed:
        answer = fetch(host, address)
        assert (answer.status, GOOD in answer.body) == (403, False)
    else:
        with pytest.raises(http.client.IncompleteRead):
            fetch(host, address)
    row = host.rows()[-1]
    assert (row.action, row.blocked, row.rule, row.reason) == ("block", True, "pages:too-long", "content")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_page_that_is_not_packed_as_its_head_says_is_read_as_it_stands(host: Host, name: str, coding: str) -> None:
    """Browsers refuse it; a program that shows it all the same shows nothing that nobody has read."""
    head = ["Content-Type: text/html", f"Content-Encoding: {coding}"]
    assert fetch(host, url(name, GOOD, head=head)).body == GOOD
    assert host.rows()[-1].note == "scanned:as-it-stands"
    answer = fetch(host, url(name, BAD, head=head))
    assert (answer.status, BAD in answer.body) == (403, False)


@pytest.mark.parametrize(("version", "waits"), [("HTTP/1.1", False), ("HTTP/2.0", True)])
def test_a_held_page_has_a_clock_unless_its_end_is_sure(host: Host, version: str, waits: bool) -> None:
    """All that was announced is there; in HTTP/2 the end is a word of its own, which may never come."""
    context = Context(ClientConnection(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2)), Options())
    stream, flow = HoldingStream(context, 1), HTTPFlow(context.client, context.server)
    flow.response = Response.make(200, b"", {"content-length": str(len(GOOD))})
    flow.response.http_version = version
    stream.flow, notes, table = flow, flow_notes(flow), host.live.engine.index.pages
    assert table is not None
    notes.check = PageCheck(host.live, flow, notes, Request(canonical_url("http://a.example/")), table, BodyKind())
    said = list(stream.state_hold_response_body(ResponseData(1, GOOD)))
    assert [type(command) for command in said] == ([RequestWakeup] if waits else [])
    notes.check.left()


def test_a_page_that_cannot_be_decided_is_closed(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in the engine, after the request was allowed."""
    whole = Engine.decide

    def only_requests(self: Engine, request: Any, *more: Any) -> Any:
        return broken() if request.found and request.found[0].limit else whole(self, request, *more)

    monkeypatch.setattr(Engine, "decide", only_requests)
    answer = fetch(host, url(name, BAD))
    assert (answer.status, BAD in answer.body) == (503, False)
    assert host.rows()[-1].reason == "failure"


def test_a_page_nobody_can_say_whether_to_hold_is_not_shown(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault is in the question, before the first byte."""
    monkeypatch.setattr(Engine, "heeds_page", broken)
    with Raw(host, source="127.0.0.1") as raw:  # type: ignore[arg-type]
        raw.send(f"GET {url(name, GOOD)} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert GOOD not in raw.read_all()


def test_what_is_settled_for_a_request_holds_for_an_answer_at_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for one that takes its time, nor for somebody else: a lesson may have begun, a policy been published."""
    questions: list[Client] = []

    def asks(self: Engine, request: Request, client: Client, at: datetime) -> bool:
        questions.append(client)
        return True

    monkeypatch.setattr(Engine, "heeds_page", asks)
    content, flow = Content(host.live), tflow.tflow(resp=True)
    answer, flow.response = flow.response, None
    notes = flow_notes(flow)
    notes.verdict, notes.asked = (
        Verdict(Action.ALLOW, Reason.DEFAULT, "fine"),
        Request(canonical_url("http://a.example/")),
    )
    content.requestheaders(flow)
    flow.response = answer
    content.responseheaders(flow)
    assert len(questions) == 1
    assert notes.heeds is not None
    notes.heeds = (notes.heeds[0], notes.heeds[1] - AT_ONCE, notes.heeds[2])
    content.responseheaders(flow)
    assert len(questions) == 2
    notes.client = Client(address="127.0.0.9")
    content.responseheaders(flow)
    assert questions[2:] == [notes.client]


def test_a_page_is_closed_though_ours_cannot_be_made(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain words then."""
    monkeypatch.setattr(pagecheck, "answer", broken)
    answer = fetch(host, url(name, BAD))
    assert (answer.status, BAD in answer.body) == (503, False)


def test_the_rest_of_a_page_that_cannot_be_looked_at_is_cut(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had begun to show."""
    whole = PageScan.findings
    asked: list[int] = []

    def later(self: PageScan, *, last: bool = False) -> Any:
        asked.append(1)
        return whole(self, last=last) if len(asked) == 1 else broken()

    monkeypatch.setattr(PageScan, "findings", later)
    with Raw(host, source="127.0.0.1") as raw:  # type: ignore[arg-type]
        address = url(name, b"<p>tower" * 1250, b"<p>the end", order=[0, 0, 0, 0, 1], pause=0.1)
        raw.send(f"GET {address} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        body = raw.read_all()
    assert b"tower" in body
    assert b"the end" not in body
    row = host.rows()[-1]
    ending = wait_for(lambda: host.endings().get(row.id), "the ending")
    assert (row.blocked, row.reason, ending.kind, ending.error) == (True, "failure", EndingKind.ERROR, "page cut off")


@pytest.mark.parametrize(
    "more", [{}, {"chunked": True}, {"head": ["Connection: close"]}], ids=["length", "chunked", "close"]
)
@pytest.mark.parametrize("pieces", [1, 2])
def test_the_last_word_of_a_page_that_fills_what_may_be_held_is_read(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], pieces: int
) -> None:
    """Its end is right behind: the page is closed while nothing of it has been shown."""
    monkeypatch.setattr(holding, "GATHER_SECONDS", 30.0)  # how soon "right behind" is says the machine
    page = b"<!--x-->" * 6 * 1024 + BAD
    cut = len(page) // 2
    parts = [gzip.compress(page)] if pieces == 1 else [gzip.compress(page[:cut]), gzip.compress(page[cut:])]
    told = {**more, "head": ["Content-Type: text/html", "Content-Encoding: gzip", *more.get("head", [])]}
    assert len(page) > host.live.pages.hold_bytes
    answer = fetch(host, url(name, *parts, **told))
    assert (answer.status, host.rows()[-1].reason) == (403, "content")
    assert fetch(host, url(name, *parts[:-1], gzip.compress(page[-cut:] + b"s fall</p>"), **told)).status == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_the_last_word_of_a_page_that_has_begun_to_show_is_read_before_it_passes(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    """It comes with the page's end, and stays behind when it closes the page."""
    monkeypatch.setattr(holding, "GATHER_SECONDS", 30.0)  # as above
    page, last = b"<p>tower" * 1250, b" tower" * 1000 + b" and a sword"
    address = url(name, page, last, order=[0, 0, 0, 0, 1], pause=0.1, chunked=chunked)
    with Raw(host, source="127.0.0.1") as raw:  # type: ignore[arg-type]
        raw.send(f"GET {address} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        body = raw.read_all()
    assert b"tower" in body
    assert b"sword" not in body
    assert host.rows()[-1].blocked


def test_a_length_that_counts_for_nothing_does_not_lift_the_bounds(host: Host, name: str) -> None:
    """Chunks outrank it (RFC 9112 §6.3): a page of which more comes than was announced is not kept for ever."""
    context = Context(ClientConnection(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2)), Options())
    stream, flow = HoldingStream(context, 1), HTTPFlow(context.client, context.server)
    flow.response = Response.make(200, b"", {"content-length": "4", "transfer-encoding": "chunked"})
    stream.flow, notes, table = flow, flow_notes(flow), host.live.engine.index.pages
    assert table is not None
    notes.check = PageCheck(host.live, flow, notes, Request(canonical_url("http://a.example/")), table, BodyKind())
    said = list(stream.state_hold_response_body(ResponseData(1, GOOD)))
    assert [type(command) for command in said] == [RequestWakeup]
    notes.check.left()


def test_a_page_that_dribbles_is_looked_at_in_pieces(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And all of it arrives."""
    whole = PageScan.findings
    asked: list[int] = []

    def counted(self: PageScan, *, last: bool = False) -> Any:
        asked.append(1)
        return whole(self, last=last)

    monkeypatch.setattr(PageScan, "findings", counted)
    answer = fetch(host, url(name, b"<p>tower" * 500, b"x", order=[*[0] * 10, *[1] * 400], chunked=True))
    assert (answer.status, len(answer.body)) == (200, 40_400)
    assert len(asked) < 200


def test_no_page_takes_a_processor_for_long(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest passes, and the row says how far it was read."""
    monkeypatch.setattr(pagecheck, "MOST_CPU", 0.0)
    assert fetch(host, url(name, GOOD)).status == 200
    assert host.rows()[-1].note == "scanned:0k"


def test_held_pages_of_a_worker_are_bounded_together(host: Host, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no room left a page is decided by what has come, shown, and read on."""
    monkeypatch.setattr(pagecheck, "HELD_TOGETHER", 0)
    monkeypatch.setattr(pagecheck, "LITTLE", 0)
    with Raw(host, source="127.0.0.1") as raw:  # type: ignore[arg-type]
        raw.send(f"GET {url(name, GOOD, b' and a sword ', b'!', pause=0.3)} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        body = raw.read_all()
    assert b"tower" in body
    assert b"sword" not in body


def test_nothing_is_held_after_its_end(host: Host, name: str) -> None:
    """Closed, shown or left: what was held is let go of."""
    fetch(host, url(name, BAD))
    fetch(host, url(name, GOOD))
    assert sum(one.held for one in pagecheck._holding) == 0


def test_an_upload_is_not_read_on_when_its_answer_is_closed(host: Host, name: str) -> None:
    """The page came before the upload was through: ours ends the exchange."""
    with Raw(host, source="127.0.0.1") as raw:  # type: ignore[arg-type]
        raw.send(f"POST {url(name, BAD)} HTTP/1.1\r\nHost: {name}\r\nContent-Length: 4\r\n\r\n".encode() + b"abcd")
        answer = raw.answer()
    assert (answer.status, BAD in answer.body) == (403, False)


@given(st.binary(max_size=300), st.sampled_from(["", "gzip", "deflate", "br", "zstd", "rot13"]), st.booleans())
def test_any_body_is_survived(data: bytes, encoding: str, markup: bool) -> None:
    """An origin sends what it likes."""
    body = PageBody(BodyKind(encoding, None, markup), PageScan(PageTable((), (), (), {})), 1000)
    for start in range(0, len(data), 50):
        body.feed(data[start : start + 50])
    assert body.decoded <= PADDING * 1000


@pytest.mark.parametrize(
    ("source", "trouble", "decoded"),
    [
        (b"<!--" + b" " * 200_000 + b"-->", None, 200_007),
        (b"<!--" + b" " * 500_000 + b"-->", "size", 4 * 100_000),
        (b"tower " * 100_000, "size", 2 * 64 * 1024),
    ],
)
def test_comments_do_not_use_up_what_is_looked_at(source: bytes, trouble: str | None, decoded: int) -> None:
    """Text counts; of the rest there may be four times as much."""
    body = PageBody(BodyKind("gzip"), PageScan(PageTable((), (), (), {})), 100_000)
    body.feed(gzip.compress(source))
    assert (body.trouble, body.decoded) == (trouble, decoded)
