"""Bodies pass through, counted and looked at, never held.

Decides in the header hooks that a body is streamed (after the verdict, never before: the host crashes otherwise) and
counts its bytes; of an HTML page it reads the title. Nothing is buffered that is not scanned. What is over the upload
limit is not passed on; `addons.httplayers` then ends the exchange.
"""

from __future__ import annotations

from collections.abc import Callable

from mitmproxy import http

from addons.flownotes import FlowNotes, flow_notes
from addons.live import Live
from addons.titles import TitleReader

type Stream = Callable[[bytes], bytes | tuple[bytes, ...]]


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

    def responseheaders(self, flow: http.HTTPFlow) -> None:
        """Stream the origin's answer."""
        response = flow.response
        notes = flow_notes(flow)
        if response is None or response.status_code == 101 or notes.verdict is None or notes.verdict.blocked:
            return
        response.stream = count_down(notes, title_reader(flow.request.method, response))


def title_reader(method: str, response: http.Response) -> TitleReader | None:
    """A reader for the title of this answer; None when it is no HTML page."""
    media_type, _, parameters = response.headers.get("content-type", "").partition(";")
    if method == "HEAD" or media_type.strip().lower() not in ("text/html", "application/xhtml+xml"):
        return None
    _, _, charset = parameters.lower().partition("charset=")
    return TitleReader(response.headers.get("content-encoding", ""), charset.strip(" \"'") or None)


def within_limit(notes: FlowNotes) -> bool:
    """Whether the upload is as large as it may be; a chunked one (RFC 9112 §7.1) does not tell beforehand."""
    return notes.upload_limit is None or notes.bytes_up <= notes.upload_limit


def count_up(notes: FlowNotes) -> Stream:
    """A pass-through that counts what goes up. Cannot raise: the host would hang the client."""

    def stream(chunk: bytes) -> bytes | tuple[bytes, ...]:
        notes.bytes_up += len(chunk)
        return chunk if within_limit(notes) else ()  # an empty chunk would tell the origin that this was all

    return stream


def count_down(notes: FlowNotes, title: TitleReader | None) -> Stream:
    """A pass-through that counts what comes down and reads the title. Cannot raise."""

    def stream(chunk: bytes) -> bytes:
        notes.bytes_down += len(chunk)
        if title is not None and not title.done:
            title.feed(chunk)
            notes.title = title.title
        return chunk

    return stream
