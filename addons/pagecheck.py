"""A page that is looked at before anybody sees it: bytes that pass in, a tighter verdict out, or none.

While it is held nothing of it has gone to the client; once it is let go the rest is looked at as it passes. What the
page holds is decided like any request, with what was found on it, by the engine in force when it is decided. Any
exception closes the page (design §5.1). See docs/decisions/0036.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import cached_property
from weakref import WeakKeyDictionary, WeakSet

from mitmproxy import http

from addons.answers import answer, failure_verdict, plain
from addons.flownotes import FlowNotes
from addons.littlepages import little, read
from addons.live import Live
from addons.pagebody import TOO_LONG, BodyKind, PageBody
from addons.pageremarks import AS_IT_STANDS, NOT_SCANNED, not_scanned, open_again, remark
from addons.proceed import after_grant, offer, scope_of
from categories.pagescan import PageScan
from categories.pagetable import Finding, PageTable
from policy.model import Action, Reason, Request, Stage, Verdict

logger = logging.getLogger(__name__)

HELD_TOGETHER = 64 * 1024 * 1024
"""Most bytes of held pages in a worker; beyond that a page is decided by what has come of it."""
UNPACKED_TOGETHER = 64 * 1024 * 1024
"""Most bytes that unpacking the pages of a worker takes. Beyond that only the first of those in line is read on; and if
those that wait for more of themselves take that much, no more is read of the one that takes most."""
TURN = 0.005
"""Seconds after which the other connections of a worker have theirs, whatever is left to be read of a page."""
PAUSE = 0.005
"""Longest pause between the turns of all such pages together; it is as long as the turn was, so that they take half of
a worker at most: what others need is more than one turn of the loop."""
LITTLE = 64 * 1024
"""Bytes a page may hold without the others being counted, and of which what comes is looked at at once."""
MOST_CPU = 10.0
"""Seconds of a processor for one page; the rest passes, and its row says so."""
TOO_LONG_RULE = "pages:too-long"
TOO_LONG_BECAUSE = "This page is longer than what the filter reads, and the school has chosen to close such pages."


class PageCheck:
    """One page under way. Not to be shared between threads."""

    def __init__(
        self, live: Live, flow: http.HTTPFlow, notes: FlowNotes, asked: Request, table: PageTable, kind: BodyKind
    ) -> None:
        self.cut = False
        """True when its rest turned bad after its beginning was shown."""
        self.held = 0
        """Bytes held back."""
        self.seconds = live.pages.hold_seconds
        """Longest it may be held back."""
        self._live = live
        self._flow = flow
        self._notes = notes
        self._asked = asked
        self._kind = kind
        self._chunks: list[bytes] = []
        self._released = False
        self._spent = 0.0
        self._busy = 0.0
        self._known: tuple[Finding, ...] = ()
        self._counted = False
        self._broken = False
        self._taken = False
        self._ended = False
        self._table = table

    def _begin(self, table: PageTable) -> None:
        self._table = table
        self.__dict__.pop("_scan", None)
        self.__dict__.pop("_body", None)

    @cached_property
    def _scan(self) -> PageScan:
        """What reads it in pieces: a page that is settled at once needs none."""
        kind = self._kind
        return PageScan(self._table, markup=kind.markup, charset=kind.charset, xml=kind.xml)

    @cached_property
    def _body(self) -> PageBody:
        """The same for its bytes."""
        return PageBody(self._kind, self._scan, self._live.pages.scan_bytes)

    @property
    def full(self) -> bool:
        """Whether it is to be decided by what has come of it."""
        limits = self._live.pages
        if self._broken or max(self.held, self._body.decoded) >= limits.hold_bytes or self._body.trouble is not None:
            return True
        return self.held > LITTLE and sum(one.held for one in _holding) > HELD_TOGETHER

    def hold(self, chunk: bytes) -> None:
        """Take a chunk that is not passed on yet."""
        _holding.add(self)
        self._chunks.append(chunk)
        self.held += len(chunk)
        try:
            self._body.give(chunk)
        except Exception:
            self._failed("a page could not be looked at and is closed")
            self._broken = True
        else:
            self._go_on()

    def settle(self, body: bytes) -> bool | None:
        """Hold a page that is there whole; whether it may be shown, None where that is more than a moment's work.

        A little one is read in one go, and nothing is kept of it but itself; any other like all that comes in pieces.
        """
        try:
            found = self._read_little(body)
            verdict = None if not found else self._closed_by(found)
        except Exception:
            self._failed("a page could not be looked at and is closed")
            found, verdict = (), failure_verdict(self._live)
        if found is None:
            self.hold(body)
            return None if self.anew() or self.full else self.decide(last=True)
        if verdict is not None:
            self._close(verdict)
            return False
        self._chunks.append(body)
        self._count("passed")
        return True

    def _read_little(self, body: bytes) -> tuple[Finding, ...] | None:
        """What a little page is about, by the lists of now, its title in the notes; None of any other."""
        limits, began = self._live.pages, time.perf_counter()
        octets = little(body, self._kind, min(LITTLE, limits.hold_bytes, limits.scan_bytes))
        if octets is None:
            return None
        table = self._live.engine.index.pages
        self._notes.title, found = read(octets, self._kind, self._table if table is None else table)
        self._spent = time.perf_counter() - began
        return found

    @property
    def busy(self) -> bool:
        """Whether something of what came is still to be looked at, in further turns of the loop (`read_on`)."""
        return not self._broken and self._body.unread

    async def read_on(self) -> None:
        """Look at the rest of what came, a turn at a time, while the client is there. Never raises.

        It is `busy` afterwards if the client went away: whatever asks then is told that the page is closed.
        """
        _slow[self] = None
        try:
            while self.busy and self._flow.client_conn.connected:
                async with _turn():
                    await asyncio.sleep(max(0.0, _pause.until - time.perf_counter()))
                    if self._flow.client_conn.connected:
                        self._go_on(in_turn=True)
        finally:
            _slow.pop(self, None)

    def _go_on(self, *, in_turn: bool = False) -> None:
        """Look at what came, for a turn at most: at a little page at once, at a longer one when the turn is its own or
        nobody's. A page of which nothing comes is little for ever: it, too, is read on in line."""
        began = now = time.perf_counter()
        may = in_turn or not (_slow or now < _pause.until)
        body = self._body
        try:
            while (
                body.unread
                and now < began + TURN
                and ((body.decoded < LITTLE and not body.leaps) or (may and self._may_unpack()))
            ):
                self._look()
                now = time.perf_counter()
            self._notes.title = body.title
        except Exception:
            self._failed("a page could not be looked at and is closed")
            self._broken = True
        if now > began and (body.decoded >= LITTLE or body.leaps or body.unread):
            _pause.until = now + min(PAUSE, now - began)
        if body.unpacked:
            _unpacking.add(self)

    def _may_unpack(self) -> bool:
        """Whether there is room for what it makes; always for the first in line, so that there will be."""
        if sum(one._body.unpacked for one in _unpacking) <= UNPACKED_TOGETHER:
            return True
        idle = [one for one in _unpacking if one is not self and one not in _slow]
        if sum(one._body.unpacked for one in idle) > UNPACKED_TOGETHER:
            max(idle, key=lambda one: one._body.unpacked)._body.give_up()
        return next(iter(_slow), self) is self

    def anew(self) -> bool:
        """Begin again when the lists changed while it was held; whether something is still to be looked at."""
        table = self._live.engine.index.pages
        if table is not self._table and table is not None and not self._released and not self._broken:
            try:
                self._begin(table)
                for chunk in self._chunks:
                    self._body.give(chunk)
            except Exception:
                self._failed("a page could not be looked at by new lists and is closed")
                self._broken = True
            self._go_on()
        return self.busy

    def take(self, chunk: bytes) -> None:
        """Look at a chunk of a page that was let go; `passes` is asked about it when `busy` is False."""
        if not self._body.done:
            self._taken = True
            self._body.give(chunk)
            self._go_on()

    def release(self) -> bytes:
        """What was held, to be passed on: from here on `passes` is asked."""
        held = b"".join(self._chunks)
        self._released = True
        self._drop()
        self._notes.bytes_down += len(held)
        return held

    def decide(self, *, last: bool) -> bool:
        """Whether it may be shown; if not, our page is the answer. `last` says that all of it is there."""
        try:
            verdict = failure_verdict(self._live) if self._broken or self.busy else self._verdict(last=last)
        except Exception:
            self._failed("a page could not be decided and is closed")
            verdict = failure_verdict(self._live)
        if verdict is None:
            if last or self._body.trouble:
                self._finish("passed")
            return True
        self._drop()
        self._close(verdict)
        return False

    def passes(self, chunk: bytes, *, last: bool = False) -> bool:
        """Whether a chunk of a page that was let go may follow. Never raises.

        `last` says that all of it is there; what was taken and not passed on yet is judged with it.
        """
        if self._ended or (self._body.done and not last and not self._taken):
            return not self.cut
        try:
            if not self._taken:
                self.take(chunk)
            self._taken, self._ended = False, last
            verdict = failure_verdict(self._live) if self._broken or self.busy else self._verdict(last=last)
        except Exception:
            self._failed("the rest of a page could not be looked at and is cut off")
            verdict = failure_verdict(self._live)
        if verdict is None:
            if last or self._body.trouble:
                self._finish("passed")
            return True
        self.cut = True
        self._finish("cut")
        self._tighten(verdict)
        return False

    def _failed(self, what: str) -> None:
        logger.exception(what)
        self._live.metrics.hook_failures.labels("content").inc()

    def left(self) -> None:
        """Nobody waits for it any more: the client went away, or the origin failed."""
        self._finish("left")
        self._drop()

    def _look(self) -> None:
        began, busy = time.perf_counter(), time.thread_time()
        self._body.look()
        self._spend(began, busy)

    def _spend(self, began: float, busy: float) -> None:
        self._spent += time.perf_counter() - began
        self._busy += time.thread_time() - busy
        if self._busy > MOST_CPU and self._body.trouble is None:
            self._body.trouble = "effort"

    def _verdict(self, *, last: bool) -> Verdict | None:
        """The verdict that closes the page, by all that has come; None when nothing does."""
        began, busy = time.perf_counter(), time.thread_time()
        found = self._scan.findings(last=last or self._body.trouble is not None)
        self._spend(began, busy)
        if not found or found == self._known:
            return self._too_long()
        self._known = found
        return self._closed_by(found) or self._too_long()

    def _closed_by(self, found: tuple[Finding, ...]) -> Verdict | None:
        """The verdict that closes the page by what was found on it; None when that is not enough."""
        engine, notes, at = self._live.engine, self._notes, self._live.now()
        verdict = engine.decide(self._asked._replace(stage=Stage.RESPONSE, found=found), notes.client, at)
        if verdict.action is Action.WARN and notes.url is not None:
            held = self._live.grants.holds(notes.client, scope_of(verdict, notes.url), at)
            verdict = after_grant(verdict, held=held)
        return verdict if verdict.blocked else None

    def _too_long(self) -> Verdict | None:
        """The verdict on a page that is longer than what is read, where the school wants such pages closed."""
        if self._live.pages.too_long == "allow" or self._body.trouble not in TOO_LONG:
            return None
        return Verdict(
            Action.BLOCK,
            Reason.CONTENT,
            TOO_LONG_BECAUSE,
            rule=TOO_LONG_RULE,
            stage=Stage.RESPONSE,
            revision=self._live.engine.revision,
        )

    def _close(self, verdict: Verdict) -> None:
        """Make our page the answer."""
        flow, notes = self._flow, self._notes
        self._finish("closed")
        self._tighten(verdict)
        try:
            at = self._live.now()
            url = notes.url
            back = flow.request.path if flow.request.method == "GET" else "/"
            button = None if url is None else offer(self._live.secret, verdict, notes.client, url, at, back=back)
            answer(self._live, flow, notes, verdict, proceed=button)
        except Exception:
            logger.exception("a page about a closed page could not be made")
            flow.response = plain(flow, 503, verdict.because)

    def _tighten(self, verdict: Verdict) -> None:
        """Say the new verdict in notes, metrics and record."""
        self._notes.verdict = verdict
        self._live.metrics.count_request(str(verdict.action), str(self._notes.client.band), str(verdict.reason))
        open_again(self._live, self._flow, self._notes)

    def _finish(self, outcome: str) -> None:
        """Count it, once; of a page that was not looked at whole its row says how far."""
        if not self._count(outcome) or outcome != "passed":
            return
        trouble = self._body.trouble
        if trouble is not None:
            told = f"scanned:{self._body.decoded // 1024}k" if trouble in TOO_LONG else f"{NOT_SCANNED}:{trouble}"
            not_scanned(self._live, self._flow, self._notes, trouble, told)
        elif self._body.as_it_stands:
            remark(self._live, self._flow, self._notes, AS_IT_STANDS)

    def _count(self, outcome: str) -> bool:
        """Count it; False when that was done before."""
        if self._counted:
            return False
        self._counted = True
        self._live.metrics.count_page(outcome)
        self._live.metrics.page_scan_seconds.observe(self._spent)
        return True

    def _drop(self) -> None:
        self._chunks.clear()
        self.held = 0
        _holding.discard(self)


_holding: WeakSet[PageCheck] = WeakSet()
"""Pages that are held."""

_unpacking: WeakSet[PageCheck] = WeakSet()
"""Pages of which something is unpacked, or could be."""

_slow: dict[PageCheck, None] = {}
"""Pages that are read in several turns, as they stand in line."""


class _Pause:
    """When the next page may have its turn."""

    until = 0.0


_pause = _Pause()

_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()


def _turn() -> asyncio.Lock:
    """Held by the one page of this loop that is read now; the others stand in line."""
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
