"""Bodies pass through, counted and looked at; only a page whose words may close it is held.

Decides in the header hooks that a body is streamed (after the verdict, never before: the host crashes otherwise) and
counts its bytes; of an HTML page it reads the title, and what lists say of its words where they have a say
(`addons.pagecheck`, which `addons.holding` asks). Nothing is buffered that is not scanned. What is over the upload
limit is not passed on; `addons.httplayers` then ends the exchange.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from mitmproxy import http

from addons.flownotes import FlowNotes, flow_notes
from addons.live import Live
from addons.pagebody import BodyKind, PageBody
from addons.pagecheck import PageCheck
from addons.pageheads import PLAIN, ask_for_readable, is_page, is_xml, media_type
from addons.pageremarks import not_scanned

logger = logging.getLogger(__name__)

NO_BODY = frozenset({204, 205, 304})

type Stream = Callable[[bytes], bytes | tuple[bytes, ...]]

AT_ONCE = 1.0
"""Seconds an answer may take for what was settled when it was asked for to hold still: a lesson may begin meanwhile."""


class Content:
    """After the verdict: streams both ways."""

    def __init__(self, live: Live) -> None:
        self.live = live

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Stream an upload that was let through."""
        notes = flow_notes(flow)
        if flow.response is None and notes.verdict is not None and not notes.verdict.blocked:
            notes.upload_limit = self.live.upload_limit
            flow.request.stream = count_up(notes)
            try:
                if self._heeds(notes):
                    ask_for_readable(flow.request)
            except Exception:
                logger.exception("a request for a page could not be made ready; it is refused")
                self.live.metrics.hook_failures.labels("content").inc()
                flow.kill()

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Stream the origin's answer; see whether it is a page to be looked at first."""
        response = flow.response
        notes = flow_notes(flow)
        if response is None or response.status_code == 101 or notes.verdict is None or notes.verdict.blocked:
            return
        kind = body_kind(flow.request.method, response, flow.request.headers.get("sec-fetch-dest", ""))
        if kind is not None:
            try:
                notes.check = self._check(flow, response, notes, kind)
            except Exception:
                logger.exception("what a page may hold could not be settled; it is refused")
                self.live.metrics.hook_failures.labels("content").inc()
                flow.kill()
                return
        title = PageBody(kind) if kind is not None and kind.markup and notes.check is None else None
        response.stream = count_down(notes, title)

    async def page_read(self, flow: http.HTTPFlow) -> None:
        """Look at the rest of what came of a page, between other connections' turns."""
        check = flow_notes(flow).check
        if check is not None:
            await check.read_on()

    def _heeds(self, notes: FlowNotes) -> bool:
        """Whether words on the page that answers could close it."""
        engine, asked, client = self.live.engine, notes.asked, notes.client
        if engine.index.pages is None or asked is None:
            return False
        now, before = time.perf_counter(), notes.heeds
        if before is not None and now - before[1] < AT_ONCE:
            by = before[2]
            if by[0] is engine and by[1] is asked and by[2] is client:
                return before[0]
        found = engine.heeds_page(asked, client, self.live.now())
        notes.heeds = (found, now, (engine, asked, client))
        return found

    def _check(
        self, flow: http.HTTPFlow, response: http.Response, notes: FlowNotes, kind: BodyKind
    ) -> PageCheck | None:
        """What looks at this page before anybody sees it; None where no word on it could close it."""
        table, asked = self.live.engine.index.pages, notes.asked
        if table is None or asked is None or not self._heeds(notes):
            return None
        if response.status_code == 206 and "range" in flow.request.headers and not _begins(response):
            not_scanned(self.live, flow, notes, "range")
            return None
        return PageCheck(self.live, flow, notes, asked, table, kind)


def body_kind(method: str, response: http.Response, dest: str = "") -> BodyKind | None:
    """How a page is written; None when the answer is no page a browser shows: a download, a picture, no body.

    `dest` is the request's Sec-Fetch-Dest.
    """
    if method == "HEAD" or response.status_code in NO_BODY:
        return None
    headers = response.headers
    essence, charset = media_type(headers.get("content-type", ""))
    if not is_page(essence, dest) or headers.get("content-disposition", "").lstrip().lower().startswith("attachment"):
        return None
    return BodyKind(headers.get("content-encoding", ""), charset, essence not in PLAIN, is_xml(essence))


def _begins(part: http.Response) -> bool:
    """Whether a part of a page is its beginning."""
    told: str = part.headers.get("content-range", "")
    return told.replace(" ", "").lower().startswith("bytes0-")


def within_limit(notes: FlowNotes) -> bool:
    """Whether the upload is as large as it may be; a chunked one (RFC 9112 §7.1) does not tell beforehand."""
    return notes.upload_limit is None or notes.bytes_up <= notes.upload_limit


def count_up(notes: FlowNotes) -> Stream:
    """A pass-through that counts what goes up. Cannot raise: the host would hang the client."""

    def stream(chunk: bytes) -> bytes | tuple[bytes, ...]:
        notes.bytes_up += len(chunk)
        return chunk if within_limit(notes) else ()  # an empty chunk would tell the origin that this was all

    return stream


def count_down(notes: FlowNotes, title: PageBody | None) -> Stream:
    """A pass-through that counts what comes down, reads the title, and asks `notes.check`. Cannot raise."""

    def stream(chunk: bytes) -> bytes | tuple[bytes, ...]:
        check = notes.check
        if check is not None and chunk and not check.passes(chunk):
            return ()  # `addons.holding` ends it
        notes.bytes_down += len(chunk)
        if title is not None and not title.done:
            try:
                title.feed(chunk)
                notes.title = title.title
            except Exception:
                logger.exception("a title could not be read")
                title.trouble = "failure"
        return chunk

    return stream
