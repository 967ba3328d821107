"""A little page that came whole is read in one go: to the same words, shown or closed as any other.

Shows: `addons.littlepages`, `addons.pagecheck`, `categories.pagescan`.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from mitmproxy.test import tflow

from addons.flownotes import flow_notes
from addons.pagebody import BodyKind
from addons.pagecheck import PageCheck
from categories.names import canonical_url
from categories.pagescan import PageScan
from categories.pagetable import PageTable
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Request
from tests.addons.host import Host
from tests.addons.readinghost import reading_host
from tests.rig.certificates import Authority
from tests.rig.clients import Answer, Browser
from tests.rig.origin import Origin
from tests.rig.pages import page_url
from tests.rig.waiting import wait_for

HEAD = b"<!doctype html><title>Old towns</title>"
GOOD, BAD = HEAD + b"<p>a tower", HEAD + b"<p>a <i>swo</i>rd"
ZIPPED = ["Content-Type: text/html", "Content-Encoding: gzip"]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority: Authority) -> Iterator[Host]:
    """A host whose lists ask for pages."""
    lists = "< sword ><70>\n< spear ><20>\n"
    made = reading_host(tmp_path_factory.mktemp("little"), lists, origin, authority)
    with made.running() as running:
        yield running


def fetch(host: Host, name: str, page: bytes, **told: Any) -> Answer:
    """What a Year 11 pupil gets of a page that comes in one piece, head and all."""
    with Browser(host, source="127.0.0.1") as browser:  # type: ignore[arg-type]
        return browser.fetch(page_url(name, page, at_once=True, **told))


def broken(*_: object, **__: object) -> Any:
    """Stands for a bug, or for what is not to be done."""
    raise RuntimeError("broken on purpose")


@pytest.fixture
def in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be read in pieces."""
    monkeypatch.setattr(PageCheck, "hold", broken)
    monkeypatch.setattr(PageScan, "feed", broken)


@pytest.mark.parametrize(
    ("page", "head"),
    [
        (GOOD, ["Content-Type: text/html; charset=utf-8"]),
        (GOOD, ["Content-Type: text/html", "Content-Encoding: identity"]),
        (gzip.compress(GOOD), ZIPPED),
        (zlib.compress(GOOD), ["Content-Type: text/html", "Content-Encoding: deflate"]),
    ],
    ids=["plain", "identity", "gzip", "deflate"],
)
@pytest.mark.usefixtures("in_one_go")
def test_a_good_one_is_shown_as_it_came(host: Host, name: str, page: bytes, head: list[str]) -> None:
    """To the octet; and its row tells its title and its length."""
    answer = fetch(host, name, page, head=head)
    assert (answer.status, answer.body) == (200, page)
    row = host.rows()[-1]
    ending = wait_for(lambda: host.endings().get(row.id), "the ending")
    assert (ending.title, ending.bytes_down, row.note) == ("Old towns", len(page), None)


@pytest.mark.parametrize(
    ("page", "head"),
    [
        (BAD, ["Content-Type: text/html; charset=utf-8"]),
        (b"a sword", ["Content-Type: text/plain"]),
        (b"\xef\xbb\xbfa sword", ["Content-Type: text/plain"]),
        (gzip.compress(BAD), ZIPPED),
        (gzip.compress(HEAD) + gzip.compress(b"<p>a sword"), ZIPPED),
        (gzip.compress(BAD)[:-8], ZIPPED),
    ],
    ids=["markup", "text", "byte order mark", "gzip", "two members", "no checksum"],
)
@pytest.mark.usefixtures("in_one_go")
def test_a_bad_one_is_closed(host: Host, name: str, page: bytes, head: list[str]) -> None:
    """Nothing of it is shown; our page is, and the row says why."""
    answer = fetch(host, name, page, head=head)
    assert (answer.status, b"Old towns" in answer.body) == (403, False)
    assert host.rows()[-1].reason == "content"


@pytest.mark.parametrize(
    ("page", "head"),
    [
        (BAD + b" " * 32 * 1024, ["Content-Type: text/html"]),
        (gzip.compress(b" " * 64 * 1024 + BAD), ZIPPED),
        (BAD, ZIPPED),
        (BAD.decode().encode("utf-16"), ["Content-Type: text/html"]),
        (b"a \xf3 sword", ["Content-Type: text/plain; charset=windows-1252"]),
    ],
    ids=["as long as what is held", "long when unpacked", "not packed as it says", "another charset", "an older one"],
)
def test_any_other_is_closed_all_the_same(host: Host, name: str, page: bytes, head: list[str]) -> None:
    """What is not little, or not written as most are, goes the way of pages that come in pieces."""
    assert fetch(host, name, page, head=head).status == 403


@pytest.mark.parametrize(
    ("page", "head"),
    [
        (GOOD + b" " * 32 * 1024, ["Content-Type: text/html"]),
        (gzip.compress(GOOD + b" " * 32 * 1024), ZIPPED),
        (GOOD, ZIPPED),
    ],
    ids=["as long as what is held", "long when unpacked", "not packed as it says"],
)
def test_one_that_is_not_little_is_not_read_in_one_go(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, page: bytes, head: list[str]
) -> None:
    """It would keep everybody waiting; and what is not as it should be is told in its row."""
    monkeypatch.setattr(PageScan, "at_once", broken)
    answer = fetch(host, name, page, head=head)
    assert (answer.status, answer.body) == (200, page)


def test_points_below_the_limit_close_nothing(host: Host, name: str) -> None:
    """Sixty are needed; one phrase has twenty."""
    assert fetch(host, name, b"<p>a spear").status == 200


@pytest.mark.parametrize(("part", "does"), [(PageScan, "at_once"), (PageCheck, "_read_little"), (Engine, "decide")])
def test_one_that_cannot_be_read_or_decided_is_closed(
    host: Host, name: str, monkeypatch: pytest.MonkeyPatch, part: type, does: str
) -> None:
    """Good or bad: nobody knows. The fault comes after the request was let through."""
    whole = Engine.decide

    def only_requests(self: Engine, request: Request, *more: Any) -> Any:
        return broken() if request.found and request.found[0].limit else whole(self, request, *more)

    monkeypatch.setattr(part, does, only_requests if part is Engine else broken)
    answer = fetch(host, name, BAD)
    assert (answer.status, b"Old towns" in answer.body) == (503, False)
    assert host.rows()[-1].reason == "failure"


def test_the_lists_of_now_are_asked(host: Host) -> None:
    """A page whose head came before new lists did is judged by these."""
    check = held(host, PageTable((), (), (), {}))
    assert check.settle(BAD) is False
    assert check._notes.verdict is not None
    assert check._notes.verdict.blocked


def test_one_that_fills_what_may_be_held_is_not_settled_here(host: Host) -> None:
    """It is looked on at like any that comes in pieces; it may still be closed."""
    check = held(host, host.live.engine.index.pages)
    assert check.settle(GOOD + b" " * 32 * 1024) is None
    assert check.full
    check.left()


def held(host: Host, table: PageTable | None) -> PageCheck:
    """A page that a Year 11 pupil waits for."""
    assert table is not None
    flow = tflow.tflow(resp=True)
    notes = flow_notes(flow)
    notes.client = Client(address="127.0.0.1", band=Band.KS4, band_known=True, site="oakwood")
    return PageCheck(host.live, flow, notes, Request(canonical_url("http://a.example/")), table, BodyKind())
