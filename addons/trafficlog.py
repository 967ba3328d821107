"""One record for every exchange, whatever its ending.

Opens the record when the verdict is known and closes it at the first ending that comes. Appends to the local spool
only: a database is none of its business. What cannot be recorded is refused (design §5.2; D-13, A-13). Where the school
chose `spool.strict`, an answer waits until its record is on the disk; all who wait share one sync.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from mitmproxy import http
from mitmproxy.connection import Client as ClientConnection
from mitmproxy.tls import ClientHelloData, TlsData

from addons.answers import refuse
from addons.endings import Endings
from addons.endingwords import FAILED, connection_way, error_word, tunnel_ending
from addons.filter import client_left, error_verdict
from addons.flownotes import NOTHING, ConnectionNotes, FlowNotes, Passed, connection_notes, flow_notes, open_flows
from addons.handshakes import HALF, failure_of
from addons.live import Live
from addons.metrics import Way
from addons.refusedbytes import RefusedBytes
from addons.rows import open_row, refused_bytes_row, tunnel_row
from logstore.record import Ending, EndingKind, new_ending
from logstore.spool import SpoolFull
from policy.client import Band, Client
from policy.model import Action, Reason, Verdict

logger = logging.getLogger(__name__)

UNRECORDED = "This could not be recorded, so it was not let through."
FULL = "Web use cannot be recorded at the moment, so pages are closed."


class TrafficLog:
    """Last but for the metrics: sees what everybody else decided."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._endings = Endings(live)

    def http_connect_error(self, flow: http.HTTPFlow) -> None:
        """A CONNECT that is answered with an error is an exchange of its own."""
        notes = flow_notes(flow)
        connection_notes(flow.client_conn).told = True
        self._write(flow, notes, self._ending(flow, notes, EndingKind.REFUSED))

    def http_connected(self, flow: http.HTTPFlow) -> None:
        """A tunnel is made: the row of a CONNECT before it, which had to sign in, does not tell of it."""
        connection_notes(flow.client_conn).told = False

    def tls_clienthello(self, data: ClientHelloData) -> Awaitable[None] | None:
        """A tunnel that is passed through: no later hook will tell of it."""
        if not data.ignore_connection:
            return None
        notes = connection_notes(data.context.client)
        try:
            row = tunnel_row(self.live, notes)
            self.live.spool.open(row)
            notes.tunnel_record, notes.tunnel_started = row.id, time.perf_counter()
            notes.told = True
            if self.live.spool.strict:
                return self._tunnel_after(self.live.spool.durable(), data, notes)
        except SpoolFull:
            notes.tunnel_unrecorded = data.ignore_connection = self._goes_on(notes.client)
            notes.tunnel_started = time.perf_counter()
            if not notes.tunnel_unrecorded:
                self._count_unrecorded("refused")
        except Exception:
            logger.exception("a tunnel could not be recorded and is not opened")
            self.live.metrics.hook_failures.labels("trafficlog").inc()
            data.ignore_connection = False
        return None

    def tls_failed_client(self, data: TlsData) -> None:
        """The client would not have our certificate, or never came so far as to be shown one."""
        self.live.metrics.tls_failures.labels("client").inc()
        notes = connection_notes(data.context.client)
        kind, error = failure_of(data, by_us=notes.by_us)
        if kind is EndingKind.REFUSED or (notes.connect is None and error == HALF):
            self.refused_bytes(RefusedBytes(data.context.client, notes.broken_off(error), None))
            return
        if notes.connect is None:
            return
        if kind is EndingKind.ABORTED:
            notes.left = error
            return
        notes.told = True
        row = tunnel_row(self.live, notes)
        reason = Reason.DEVICE if kind is EndingKind.TLS_REFUSED else Reason.FAILURE
        ending = Ending(kind=kind, error=error, reason=None if row.blocked else reason.value)
        self.live.metrics.count_exchange("refused", 0)
        self._append(row.id, lambda: self.live.spool.write(row, ending), "refused")

    def tls_failed_server(self, data: TlsData) -> None:
        """The exchange itself ends in `error`."""
        self.live.metrics.tls_failures.labels("server").inc()

    def client_disconnected(self, client: ClientConnection) -> None:
        """The end of a tunnel that was passed through, or of one in which nothing was ever asked."""
        notes = connection_notes(client)
        elapsed = int((time.perf_counter() - notes.tunnel_started) * 1e6)
        passed = tunnel_ending(notes, elapsed)
        if (way := connection_way(notes)) is not None:
            self.live.metrics.traffic_connections.labels(way).inc()
            if way == "bypassed":
                self.live.metrics.count_exchange(way, passed.bytes_up + passed.bytes_down)
        if notes.tunnel_unrecorded:  # there may be room by now
            row = tunnel_row(self.live, notes)
            self._append(row.id, lambda: self.live.spool.write(row, passed), "passed")
            return
        if notes.tunnel_record is None:
            if not notes.told:
                self._left(client, notes)
            return
        record, notes.tunnel_record = notes.tunnel_record, None
        self._append(record, lambda: self.live.spool.close(record, passed))

    def _left(self, client: ClientConnection, notes: ConnectionNotes) -> None:
        """The client went with nothing asked, or in the middle of something; where to, only a tunnel tells."""
        far = notes.left != NOTHING
        why = notes.broken_off(notes.left) if far else NOTHING
        if notes.connect is not None and (far or notes.requests == 0):
            row = tunnel_row(self.live, notes)
            ending = Ending(kind=EndingKind.ABORTED, error=why)
            self._append(row.id, lambda: self.live.spool.write(row, ending), "refused")
        elif far:
            self.refused_bytes(RefusedBytes(client, why, None))

    def refused_bytes(self, data: RefusedBytes) -> None:
        """Bytes that never became a request; not those of which the row of our own fault tells."""
        notes = connection_notes(data.client)
        if notes.cut != FAILED:
            self._refused(data)
        elif not notes.told:
            self._refused(replace(data, reason=Reason.FAILURE))

    def _refused(self, data: RefusedBytes) -> None:
        connection_notes(data.client).told = True
        self._has_row(data.client)
        row = refused_bytes_row(self.live, connection_notes(data.client), data.why, data.reason)
        ending = Ending(kind=EndingKind.REFUSED, status=data.status, error=data.why)
        self.live.metrics.count_exchange("refused", 0)
        self._append(row.id, lambda: self.live.spool.write(row, ending), "refused")

    def _has_row(self, client: ClientConnection) -> None:
        """What is said to it in this turn."""
        saying = connection_notes(client).saying
        if saying is not None:
            saying.append(_nothing_more)

    def gateway_failed(self, client: ClientConnection) -> None:
        """Our own fault ends whatever is open on this connection; where nothing is, a row tells of the connection,
        unless what could not be sent has one: our page."""
        notes = connection_notes(client)
        notes.cut = notes.cut or FAILED
        if notes.tunnel_record is not None or notes.tunnel_unrecorded:
            notes.passed = notes.passed or Passed()
            notes.passed.error = FAILED
            return
        open_here = [flow for flow in open_flows().get(client, []) if isinstance(flow, http.HTTPFlow)]
        for flow in open_here:
            self._close(flow, EndingKind.ERROR, error=FAILED, failure=self._our_fault())
        if not open_here and not (notes.unsent and notes.saying):
            self._refused(RefusedBytes(client, FAILED, None, Reason.FAILURE))

    def _our_fault(self) -> Verdict:
        because = "Something went wrong on our side."
        return Verdict(action=Action.BLOCK, reason=Reason.FAILURE, because=because, revision=self.live.engine.revision)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """The verdict is known: open the record, or write it whole when we answer ourselves."""
        notes = flow_notes(flow)
        if notes.record_id is not None:
            return
        if flow.response is not None:
            self._write(flow, notes, self._ending(flow, notes, EndingKind.BLOCKED))
            return
        try:
            began = time.perf_counter()
            row = open_row(self.live, flow, notes)
            self.live.spool.open(row)
            notes.record_id = row.id
            notes.recorded = True
            if self.live.spool.strict:
                notes.durable = self.live.spool.durable()
            connection_notes(flow.client_conn).active += 1
            self.live.metrics.record_seconds.observe(time.perf_counter() - began)
        except SpoolFull:
            self._unrecordable(flow, notes)
        except Exception:
            logger.exception("a request could not be recorded and is refused")
            self.live.metrics.hook_failures.labels("trafficlog").inc()
            refuse(self.live, flow, notes, Reason.FAILURE, UNRECORDED)

    def responseheaders(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """The answer is about to go out: in strict mode it waits for its record."""
        notes = flow_notes(flow)
        return None if notes.durable is None else self._answer_after(notes.durable, flow, notes)

    def response(self, flow: http.HTTPFlow) -> None:
        """The answer is through, once it is sent: what cannot be sealed is met behind this hook."""
        if flow.websocket is not None:
            return
        saying, notes = connection_notes(flow.client_conn).saying, flow_notes(flow)
        if saying is not None and (notes.record_id is not None or notes.unrecorded):
            saying.append(partial(self._sent, flow))
        else:  # its row is there before its answer
            self._through(flow)

    def _sent(self, flow: http.HTTPFlow) -> None:
        """Whoever calls this is no hook, after which faults are caught."""
        try:
            self._through(flow)
        except Exception:
            logger.exception("an ending could not be recorded")
            self.live.metrics.hook_failures.labels("trafficlog").inc()

    def _through(self, flow: http.HTTPFlow) -> None:
        notes = flow_notes(flow)
        slow = notes.too_slow
        if notes.not_taken:
            self._close(flow, EndingKind.ABORTED, error=slow)
        elif slow is not None:  # a body without a length, whose end is that of its site
            self._close(flow, EndingKind.ERROR, slow, error_verdict("server closed connection", self.live))
        else:
            self._close(flow, EndingKind.RESPONSE)

    def websocket_end(self, flow: http.HTTPFlow) -> None:
        """A WebSocket is over."""
        self._close(flow, EndingKind.WEBSOCKET, flow_notes(flow).too_slow or connection_notes(flow.client_conn).cut)

    def error(self, flow: http.HTTPFlow) -> None:
        """The origin failed or the client left."""
        message = flow.error.msg if flow.error else ""
        slow = flow_notes(flow).too_slow
        if client_left(flow):
            cut = connection_notes(flow.client_conn).cut
            self._close(flow, EndingKind.ABORTED, error=slow or cut or "client left")
        else:
            failure = error_verdict(message, self.live)
            self._close(flow, EndingKind.ERROR, error=slow or error_word(message), failure=failure)

    def websocket_message(self, flow: http.HTTPFlow) -> None:
        """Count it, and let go of it: the host would keep every message until the end."""
        if flow.websocket is None:
            return
        notes = flow_notes(flow)
        for message in flow.websocket.messages:
            if message.from_client:
                notes.bytes_up += len(message.content)
            else:
                notes.bytes_down += len(message.content)
        del flow.websocket.messages[:]

    def _ending(
        self,
        flow: http.HTTPFlow,
        notes: FlowNotes,
        kind: EndingKind,
        error: str | None = None,
        failure: Verdict | None = None,
    ) -> Ending:
        response = flow.response
        media_type = None
        if response is not None:
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower() or None
        own_page = kind in (EndingKind.BLOCKED, EndingKind.REFUSED)
        page = None
        if kind is EndingKind.RESPONSE and media_type is not None:
            page = notes.page and media_type in ("text/html", "application/xhtml+xml", "application/pdf")
        return new_ending(
            kind=kind,
            status=response.status_code if response is not None else None,
            content_type=None if own_page else media_type,
            title=notes.title,
            bytes_up=notes.bytes_up,
            bytes_down=notes.bytes_down if not own_page else len(response.raw_content or b"") if response else 0,
            duration_us=int((time.perf_counter() - notes.started) * 1e6),
            error=error,
            page=page,
            rule=failure.rule if failure else None,
            reason=failure.reason.value if failure else None,
            # A private address found only by DNS is our refusal; every other failure is the origin's.
            action=Action.BLOCK.value if failure and failure.reason is Reason.GUARD else None,
            blocked=True if failure and failure.reason is Reason.GUARD else None,
        )

    def _write(self, flow: http.HTTPFlow, notes: FlowNotes, ending: Ending) -> None:
        """Open and close in one: we answer ourselves."""
        if notes.ended:
            return
        notes.ended = True
        self._has_row(flow.client_conn)
        self._count(ending)
        try:
            row = open_row(self.live, flow, notes)
            notes.record_id = row.id
            self.live.spool.write(row, ending)
            if self.live.spool.strict and not notes.recorded:
                notes.durable = self.live.spool.durable()
            notes.recorded = True
        except SpoolFull:
            self._count_unrecorded("passed" if notes.recorded else "refused")
        except Exception:
            logger.exception("a refusal could not be recorded")
            self.live.metrics.hook_failures.labels("trafficlog").inc()

    def _close(
        self, flow: http.HTTPFlow, kind: EndingKind, error: str | None = None, failure: Verdict | None = None
    ) -> None:
        notes = flow_notes(flow)
        if notes.ended:
            return
        if kind is EndingKind.RESPONSE and (notes.verdict is None or notes.verdict.blocked):
            kind = EndingKind.BLOCKED  # the gatekeeper stopped it, or a word on the page
        record, ending = notes.record_id, self._ending(flow, notes, kind, error, failure)
        if record is not None or notes.unrecorded:
            connection_notes(flow.client_conn).active -= 1
        if record is None:
            self._write(flow, notes, ending)
            return
        notes.ended = True
        self._count(ending)
        self._append(record, lambda: self._endings.close(record, ending))

    async def _answer_after(self, durable: Future[None], flow: http.HTTPFlow, notes: FlowNotes) -> None:
        """Let the answer go once its record is on the disk. When the disk refuses, the school's choice decides."""
        try:
            await asyncio.wrap_future(durable)
        except OSError:
            if not self._goes_on(notes.client):
                self._count_unrecorded("refused")
                flow.kill()
                return
            self._count_unrecorded("passed")

    async def _tunnel_after(self, durable: Future[None], data: ClientHelloData, notes: ConnectionNotes) -> None:
        """Open the tunnel once its record is on the disk, or when the school's choice is to go on without."""
        try:
            await asyncio.wrap_future(durable)
        except OSError:
            data.ignore_connection = self._goes_on(notes.client)
            self._count_unrecorded("passed" if data.ignore_connection else "refused")
            if not data.ignore_connection and notes.tunnel_record is not None:
                record, notes.tunnel_record = notes.tunnel_record, None
                refused = Ending(kind=EndingKind.REFUSED, error="record")
                self._append(record, lambda: self.live.spool.close(record, refused))

    def _count(self, ending: Ending) -> None:
        way: Way = "refused" if ending.kind in (EndingKind.BLOCKED, EndingKind.REFUSED) else "inspected"
        self.live.metrics.count_exchange(way, ending.bytes_up + ending.bytes_down)

    def _count_unrecorded(self, what: str) -> None:
        self.live.metrics.unrecorded.labels(what).inc()

    def _append(self, record: int, append: Callable[[], object], lost: str = "ending") -> None:
        """Complete a record; `lost` says what is missing from the record when there is no room."""
        try:
            append()
        except SpoolFull:
            self._count_unrecorded(lost)
        except Exception:
            logger.exception("record %d could not be completed", record)
            self.live.metrics.hook_failures.labels("trafficlog").inc()

    def _unrecordable(self, flow: http.HTTPFlow, notes: FlowNotes) -> None:
        """The spool is full: the school's choice decides (A-13)."""
        if self._goes_on(notes.client):
            notes.recorded = True  # written whole at its end, when there is room by then; counted when not
            connection_notes(flow.client_conn).active += 1
            return
        notes.ended = True
        refuse(self.live, flow, notes, Reason.RECORD, FULL)
        self.live.metrics.count_request(Action.BLOCK, str(notes.client.band), "record")
        self._count_unrecorded("refused")

    def _goes_on(self, client: Client) -> bool:
        """Whether this client goes on while nothing can be recorded."""
        choice = self.live.when_full
        return choice == "count" or (choice == "block-pupils" and client.band is Band.STAFF)


def _nothing_more() -> None:
    """What is told of an exchange that has its row whole."""
