"""The host's exchange, with pages held back until they were looked at.

A subclass of mitmproxy's HTTP stream (12.2.3): where a page is to be looked at first (`notes.check`), its head and body
wait here. Then it goes on as any streamed answer, or the exchange ends with our page. What waits is bounded in bytes
and in time, and says nothing itself: `addons.pagecheck` decides. `tests/addons/test_canary.py` names what changed
upstream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mitmproxy import http
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.layers import http as http_layers
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestProtocolError,
    ResponseData,
    ResponseEndOfMessage,
    ResponseHeaders,
    ResponseProtocolError,
    ResponseTrailers,
)

from addons.flownotes import Holding, flow_notes
from addons.inplace import InPlace

CUT = "page cut off"
"""What the `error` hook is told of a page whose rest turned bad after its beginning was shown."""

GATHERED = 4096
"""Bytes of a page under way that are looked at together: many short looks would keep a worker busy."""
GATHER_SECONDS = 0.05
"""Longest they wait for one another, and a page that fills what may be held for its end."""

SWAPS = 3
"""How often a page is begun anew because the lists changed; then it is decided by those it was read with."""

type Commands = layer.CommandGenerator[None]


@dataclass
class PageReadHook(commands.StartHook):
    """What came of a page is more than is looked at in one turn: `addons.content` looks at the rest, turn by turn."""

    flow: http.HTTPFlow
    """The exchange."""


class HoldingStream(InPlace, http_layers.HttpStream):
    """One exchange whose answer may have to wait."""

    _deadline: commands.RequestWakeup | None = None
    _gathering: commands.RequestWakeup | None = None
    _gathered: bytes = b""
    _brimful = False

    def _handle_event(self, event: events.Event) -> Commands:
        if isinstance(event, events.Wakeup):
            check = flow_notes(self.flow).check
            if event.command is self._deadline and check is not None and self._held():
                yield from self._decide(check)
            elif event.command is self._gathering:
                self._gathering = None
                yield from self._pass_gathered()
            return
        yield from super()._handle_event(event)

    def start_response_stream(self) -> Commands:
        """Begin to pass the answer on, or to hold it."""
        if flow_notes(self.flow).check is None:
            yield from super().start_response_stream()
        else:
            self.server_state = self.state_hold_response_body

    def state_hold_response_body(self, event: Any) -> Commands:
        """The page comes, and nothing of it goes out."""
        check = flow_notes(self.flow).check
        if check is None:
            raise RuntimeError("a page is held that nothing looks at")
        if isinstance(event, ResponseData):
            if self._brimful:
                yield from self._decide(check)
                if self.server_state == self.state_stream_response_body:
                    yield from self.state_stream_response_body(event)
                return
            check.hold(event.data)
            yield from self._look_on(check)
        elif isinstance(event, ResponseTrailers):
            self._response.trailers = event.trailers
        elif isinstance(event, ResponseEndOfMessage):
            yield from self._decide(check, event)

    def _look_on(self, check: Holding) -> Commands:
        """Wait for the rest of a page, for so long; of one of which no more can be held only for its end, a moment.

        What may be its last word is judged as such while it can still be closed.
        """
        if check.busy and not (yield from self._read_on(check)):
            return
        if self._whole(check):
            return
        self._brimful = check.full
        if self._brimful or self._deadline is None:
            self._deadline = wakeup = commands.RequestWakeup(GATHER_SECONDS if self._brimful else check.seconds)
            yield wakeup

    def state_stream_response_body(self, event: Any) -> Commands:
        """As the original; a page whose rest turns bad ends here, for the client as for the origin."""
        check = flow_notes(self.flow).check
        if check is None:
            yield from super().state_stream_response_body(event)
            return
        if isinstance(event, ResponseData):
            if len(self._gathered) >= GATHERED and not (yield from self._pass_gathered()):
                return
            self._gathered += event.data  # what came last stays a moment: the end may be right behind
            if self._gathering is None:
                self._gathering = wakeup = commands.RequestWakeup(GATHER_SECONDS)
                yield wakeup
            return
        if isinstance(event, ResponseEndOfMessage) and not (yield from self._pass_gathered(last=True)):
            return
        yield from super().state_stream_response_body(event)

    def _pass_gathered(self, *, last: bool = False) -> layer.CommandGenerator[bool]:
        """Pass on what has come since, if it may; whether it might. `last` says that it is the end of the page."""
        check, gathered = flow_notes(self.flow).check, self._gathered
        self._gathered = b""
        if check is None or not (gathered or last) or self.server_state != self.state_stream_response_body:
            return True
        if gathered:
            check.take(gathered)
        if check.busy and not (yield from self._read_on(check)):
            return False
        if last and not check.passes(b"", last=True):
            yield from self._cut(over=True)
            return False
        if not gathered:
            return True
        yield from super().state_stream_response_body(ResponseData(self.stream_id, gathered))
        if check.cut:
            yield from self._cut(over=False)
        return not check.cut

    def handle_protocol_error(self, event: RequestProtocolError | ResponseProtocolError) -> Commands:
        """As the original; of an answer that was held the client knows nothing yet."""
        check = flow_notes(self.flow).check
        self._gathered = b""
        if check is not None and self._held():
            check.left()
            if isinstance(event, ResponseProtocolError):
                self.flow.response = None
        yield from super().handle_protocol_error(event)

    def _whole(self, check: Holding) -> bool:
        """Whether all the origin announced is there: in HTTP/1 its end comes at once, and needs no clock."""
        if not self._response.http_version.startswith("HTTP/1"):
            return False  # the end is a word of its own, which may never come
        if "transfer-encoding" in self._response.headers:
            return False  # it outranks a length
        announced = self._response.headers.get("content-length", "")
        return bool(announced.isdecimal() and check.held >= int(announced))

    @property
    def _response(self) -> http.Response:
        if self.flow.response is None:
            raise RuntimeError("there is no answer to hold")
        return self.flow.response

    def _held(self) -> bool:
        return bool(self.server_state == self.state_hold_response_body)

    def _read_on(self, check: Holding) -> layer.CommandGenerator[bool]:
        """Have others their turn until all that came was looked at; whether somebody still waits for it."""
        yield PageReadHook(self.flow)
        if (yield from self.check_killed(True)):
            check.left()
            return False
        return True

    def _decide(self, check: Holding, end: ResponseEndOfMessage | None = None) -> Commands:
        for _ in range(SWAPS):
            if not check.anew():
                break
            if not (yield from self._read_on(check)):
                return
        if check.decide(last=end is not None):
            self.server_state = self.state_stream_response_body
            client = self.context.client
            yield http_layers.SendHttp(ResponseHeaders(self.stream_id, self._response, end_stream=False), client)
            if held := check.release():
                yield http_layers.SendHttp(ResponseData(self.stream_id, held), client)
            if end is not None:
                yield from self.state_stream_response_body(end)
            return
        if end is None:
            closed = RequestProtocolError(self.stream_id, "the page was closed", ErrorCode.CANCEL)
            yield http_layers.SendHttp(closed, self.context.server)
        yield from self._answer_instead()

    def _answer_instead(self) -> Commands:
        """Send our page; of an upload that is still under way no more is read."""
        if self.client_state == self.state_done:
            yield from self.send_response()
            return
        self._response.headers["connection"] = "close"
        self.client_state = self.state_errored
        yield from self.send_response()
        self.flow.live = False
        yield http_layers.SendHttp(ResponseEndOfMessage(self.stream_id), self.context.client)
        yield http_layers.DropStream(self.stream_id)

    def _cut(self, *, over: bool) -> Commands:
        """End an answer in the middle: an honest client takes it for broken, and shows no more."""
        if not over:
            cancel = RequestProtocolError(self.stream_id, CUT, ErrorCode.CANCEL)
            yield http_layers.SendHttp(cancel, self.context.server)
        yield from self.handle_protocol_error(ResponseProtocolError(self.stream_id, CUT, ErrorCode.CANCEL))
