"""Typed notes about a flow or a connection, kept beside it.

`flow.metadata` must stay serialisable and is untyped, so notes are an attribute that the host knows nothing of: they
disappear with the thing they are about, and are found without a table.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

from mitmproxy.connection import Client as ClientConnection
from mitmproxy.connection import Connection
from mitmproxy.flow import Flow
from mitmproxy.http import HTTPFlow

from categories.names import Url
from identity.model import Identity
from identity.sessions import ConnectionSession
from policy.client import UNKNOWN, Client
from policy.model import Request, Signal, Verdict

NOTHING = "nothing asked"
"""How far a client came that has said nothing."""
IDLE = "nothing moved"
"""Why the gateway ended a connection: neither end of it said anything for `proxy.idle_timeout`."""
STOPPED = "the gateway stopped"
"""Why it did: a stop, or a worker that made room for its successor."""
CLOSED = "no longer allowed"
"""Why it did: what was under way was let through, and would not be now."""
LONG = "open too long"
"""Why it did: a tunnel that passes unread is open for `proxy.tunnel_timeout` at most."""
NOT_TAKEN = "answer not taken"
"""Why it did, or only an exchange ended: its client would not read."""
_WAITED = (IDLE, NOT_TAKEN)
"""These say that the gateway waited for its client, as long as it may."""


@dataclass(slots=True)
class Passed:
    """What went through a tunnel that is not decrypted, so far."""

    up: int = 0
    """Bytes from the client."""
    down: int = 0
    """Bytes to the client."""
    taken: bool = False
    """True once a relay has its sockets."""
    error: str | None = None
    """Why the origin was not reached, in the host's words."""
    too_slow: str | None = None
    """What was too slow, when it was ended for that."""


@dataclass(slots=True)
class ConnectionNotes:
    """What is known of one client connection."""

    address: str
    """Client IP address."""
    wanted: tuple[str, int] | None = None
    """Address and port its device meant to connect to, when it knew of no proxy (transparent use)."""
    identity: Identity | None = None
    """Who is asking, as resolved last."""
    client: Client = UNKNOWN
    """The same in the policy's words."""
    session: ConnectionSession | None = None
    """The sign-in that was proved on this connection."""
    directory_revision: object = None
    """Revision of the directory `identity` was resolved with."""
    connect: Url | None = None
    """What a CONNECT asked for."""
    connect_verdict: Verdict | None = None
    """Verdict at CONNECT."""
    sni: Url | None = None
    """Name in the ClientHello, when it differs from the CONNECT host."""
    signals: set[Signal] = field(default_factory=set)
    """Circumvention signals seen on this connection."""
    tunnel_record: int | None = None
    """Id of the open record of a tunnel that is passed through."""
    tunnel_unrecorded: bool = False
    """True for a tunnel that is passed through although it could not be recorded: the school's choice."""
    tunnel_started: float = 0.0
    """When the tunnel was asked for (`perf_counter`)."""
    passed: Passed | None = None
    """What went through the tunnel; None when there is none."""
    requests: int = 0
    """Requests decided on this connection."""
    told: bool = False
    """True once a row tells of this connection: a refusal, a failed handshake, a tunnel."""
    left: str = NOTHING
    """How far the client had come, should it leave without a request."""
    cut: str | None = None
    """Why the gateway itself ended the connection, where it did: its client did not leave what was under way."""
    active: int = 0
    """Exchanges under way."""
    saying: list[Callable[[], None]] | None = None
    """What the record is to be told once everything said in this turn of the connection is sent; None between turns."""
    unsent: bool = False
    """True when the layers had done their work, and what they said last could not be sent."""

    @property
    def by_us(self) -> bool:
        """Whether the end of the connection is our doing; that of silence is its client's."""
        return self.cut is not None and self.cut not in _WAITED

    def broken_off(self, came: str) -> str:
        """Why no more than this `came`. Where we would not wait, nobody else is to blame; where we did, what is half
        there says so, and no word that its client left may stand."""
        if self.cut is None or (not self.by_us and came.startswith("half ")):
            return came
        return self.cut


class Holding(Protocol):
    """Looks at a page before, and after, it is shown (`addons.pagecheck`)."""

    cut: bool
    """True when its rest turned bad after its beginning was shown."""
    held: int
    """Bytes held back."""
    seconds: float
    """Longest it may be held back."""

    @property
    def full(self) -> bool:
        """Whether it is to be decided by what has come of it."""

    def hold(self, chunk: bytes) -> None:
        """Take a chunk that is not passed on yet."""

    def settle(self, body: bytes) -> bool | None:
        """Hold a page that is there whole; whether it may be shown, None where that is more than a moment's work."""

    @property
    def busy(self) -> bool:
        """Whether something of what came is still to be looked at, in further turns of the loop."""

    def anew(self) -> bool:
        """Begin again when the lists changed while it was held; whether something is still to be looked at."""

    async def read_on(self) -> None:
        """Look at the rest of what came, a turn at a time."""

    def take(self, chunk: bytes) -> None:
        """Look at a chunk of a page that was let go; `passes` is asked about it when `busy` is False."""

    def release(self) -> bytes:
        """What was held, to be passed on."""

    def decide(self, *, last: bool) -> bool:
        """Whether it may be shown; if not, our page is the answer."""

    def passes(self, chunk: bytes, *, last: bool = False) -> bool:
        """Whether a chunk of a page that was let go may follow."""

    def left(self) -> None:
        """Nobody waits for it any more."""


@dataclass(slots=True)
class FlowNotes:
    """What is known of one exchange."""

    started: float = field(default_factory=time.perf_counter)
    """When its request head was complete (`perf_counter`)."""
    client: Client = UNKNOWN
    """Who asks."""
    url: Url | None = None
    """What for."""
    target: str | None = None
    """Path and query as the client sent them, when something else is sent on; None when they are the same."""
    asked: Request | None = None
    """What the engine was asked; None when it was not."""
    verdict: Verdict | None = None
    """What was decided; None until then, and the gatekeeper lets nothing through without."""
    note: str | None = None
    """Remark for the record."""
    reference: int | None = None
    """Id its record will have: the number people quote from a page."""
    record_id: int | None = None
    """Id of its record, once that is open."""
    awaits_body: bool = False
    """True for a form of ours whose answer waits for its body; nothing is sent on meanwhile."""
    page: bool = False
    """Whether it looks like a page a person opened."""
    recorded: bool = False
    """True once a row of it is on disk, or the school chose to go on without."""
    durable: Future[None] | None = None
    """Fulfilled once that row is really on the disk; set only where answers wait for it (`spool.strict`)."""
    ended: bool = False
    """True once its ending is written: the first ending wins."""
    bytes_up: int = 0
    """Request body bytes seen."""
    too_slow: str | None = None
    """What was too slow, when it was ended for that: the upload, the answer, whoever takes it."""
    upload_limit: int | None = None
    """Most bytes the request body may have; None for no limit."""
    bytes_down: int = 0
    """Response body bytes seen."""
    title: str | None = None
    """Page title."""
    heeds: tuple[bool, float, tuple[object, ...]] | None = None
    """Whether words on the page could close it; when that was settled (`perf_counter`), by which engine, for what and
    whom."""
    check: Holding | None = None
    """What looks at the page before it is shown; None when nothing does."""

    @property
    def unrecorded(self) -> bool:
        """Whether it was let through without a record, which is written whole at its end if there is room by then."""
        return self.recorded and self.record_id is None

    @property
    def not_taken(self) -> bool:
        """Whether it was ended because its client would not read."""
        return self.too_slow == NOT_TAKEN


at_work: WeakSet[Connection] = WeakSet()
"""Sites that said by an interim answer that they are at work on theirs, since `addons.answerpace` asked last."""
_flows: WeakSet[Flow] = WeakSet()
# Notes are the attribute `schoolgate` of what they are about: the host's own copies and states leave it out. Asking for
# the dictionary of an object's attributes would make one first, some twenty times an exchange.


def flow_notes(flow: Flow) -> FlowNotes:
    """The notes about `flow`, made on first use."""
    try:
        notes: FlowNotes = flow.schoolgate  # type: ignore[attr-defined]
    except AttributeError:
        return begin_notes(flow)
    return notes


def begin_notes(flow: Flow) -> FlowNotes:
    """The notes about a flow that has none yet."""
    notes = flow.schoolgate = FlowNotes()  # type: ignore[attr-defined]
    _flows.add(flow)
    return notes


def connection_notes(connection: ClientConnection) -> ConnectionNotes:
    """The notes about a client connection, made on first use."""
    try:
        notes: ConnectionNotes = connection.schoolgate  # type: ignore[attr-defined]
    except AttributeError:
        peer = connection.peername
        notes = connection.schoolgate = ConnectionNotes(address=peer[0] if peer else "")  # type: ignore[attr-defined]
    return notes


def busy(connection: ClientConnection) -> bool:
    """True while an exchange or a tunnel is under way on this connection."""
    notes: ConnectionNotes | None = getattr(connection, "schoolgate", None)
    if notes is None:
        return False
    return notes.active > 0 or notes.tunnel_record is not None or notes.tunnel_unrecorded


def uploading(flow: HTTPFlow) -> bool:
    """Whether its body is still to come."""
    return flow.live and flow.request.timestamp_end is None


def unfinished_flows() -> dict[ClientConnection, list[HTTPFlow]]:
    """The exchanges whose answer or whose request is not over, by client connection; recorded or not."""
    found: dict[ClientConnection, list[HTTPFlow]] = {}
    for flow in list(_flows):
        if not isinstance(flow, HTTPFlow) or flow.request.method == "CONNECT":
            continue
        if uploading(flow) or not flow_notes(flow).ended:
            found.setdefault(flow.client_conn, []).append(flow)
    return found


def open_flows() -> dict[ClientConnection, list[Flow]]:
    """The exchanges that were let through and have no ending yet, by client connection: one walk, however many there
    are."""
    found: dict[ClientConnection, list[Flow]] = {}
    for flow in list(_flows):
        notes = flow_notes(flow)
        if (notes.record_id is not None or notes.unrecorded) and not notes.ended:
            found.setdefault(flow.client_conn, []).append(flow)
    return found
