"""One row of the log: primitives only, so that a row written today can be read by any later version.

`LogRecord` is what is known at the decision (the *open* record); `Ending` is what is known at the end (the *close*
record). The shipper merges them by `id`. Both are frozen; a worker makes its own by `new_record` and `new_ending`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass
from typing import Any, cast


class EndingKind(enum.StrEnum):
    """How an exchange ended. Exactly one per record."""

    RESPONSE = "response"
    """The origin's answer was delivered."""
    BLOCKED = "blocked"
    """Our page (block, warn, sign-in, refusal) was delivered instead."""
    BYPASSED = "bypassed"
    """A tunnel passed through without decryption."""
    ERROR = "error"
    """The origin failed: refused, reset, bad certificate, no such name, silent."""
    ABORTED = "aborted"
    """The client went away before the end, or the gateway ended its connection: the error says which."""
    REFUSED = "refused"
    """A CONNECT answered with an error; no tunnel."""
    TLS_REFUSED = "tls-refused"
    """The client would not accept our certificate."""
    WEBSOCKET = "websocket"
    """A WebSocket that was opened and closed."""
    INTERRUPTED = "interrupted"
    """The worker died before the end was known; written by the shipper."""


class FromSpool:
    """Room for what was read from the spool and not looked into yet (`logstore.unread`)."""

    __slots__ = ("told",)
    told: Any
    """Not set in what was made otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord(FromSpool):
    """What is known at the decision."""

    id: int
    """Time-ordered 64-bit record id (`logstore.ids`)."""
    time_us: int
    """When it was asked for: microseconds since the Unix epoch, UTC."""
    worker: str
    """Name of the worker that wrote it."""
    revision: str
    """Revision of the engine that decided."""
    site: str | None = None
    """Site name."""
    user: str | None = None
    """Account name; None when nobody signed in."""
    user_source: str = "none"
    """How the user was found out: `basic`, `address`, `none`."""
    verified: bool = False
    """True only when the user proved it."""
    shared: bool = False
    """True for a class login or shared machine."""
    band: str | None = None
    """Age band decided for."""
    groups: tuple[str, ...] = ()
    """Group names, sorted."""
    device: str | None = None
    """Device name."""
    client_address: str = ""
    """Client IP address."""
    method: str = "GET"
    """HTTP method."""
    scheme: str = "http"
    """`http`, `https`, `ws`, `wss`."""
    host: str = ""
    """Canonical host."""
    port: int = 80
    """Port."""
    path: str | None = None
    """Path as asked for; None for a tunnel."""
    query: str | None = None
    """Query string, secrets redacted; None when there was none."""
    domain: str | None = None
    """Registrable domain of the host; None for an address or unknown suffix."""
    page: bool = False
    """True for a page a person opened, False for a part of one."""
    action: str = "allow"
    """Verdict action."""
    blocked: bool = False
    """True only when the user was really blocked."""
    reason: str = "default"
    """Verdict reason."""
    tier: str | None = None
    """Tier of the deciding rule."""
    rule: str | None = None
    """Deciding rule."""
    category: str | None = None
    """Category that decided or describes best."""
    categories: tuple[str, ...] = ()
    """Every category that fitted."""
    list: str | None = None
    """List behind `category`."""
    entry: str | None = None
    """Entry behind `category`; None for statutory lists, whose content is secret."""
    stage: str = "request"
    """Stage of the decision."""
    terms: tuple[str, ...] = ()
    """Search terms."""
    note: str | None = None
    """Short low-cardinality remark: signal names, guard reason, warn-continued."""

    @property
    def url(self) -> str:
        """The full URL as far as known, secrets redacted."""
        default = {"http": 80, "ws": 80, "https": 443, "wss": 443}.get(self.scheme)
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == default else f":{self.port}"
        query = "" if self.query is None else f"?{self.query}"
        return f"{self.scheme}://{host}{port}{self.path or '/'}{query}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending(FromSpool):
    """What is known at the end. Verdict fields are set only when a later stage tightened the verdict."""

    kind: EndingKind
    """How it ended."""
    status: int | None = None
    """HTTP status the client got."""
    content_type: str | None = None
    """Media type of the answer, lower case, without parameters."""
    title: str | None = None
    """Title of an HTML page, whitespace folded, at most 300 characters."""
    bytes_up: int = 0
    """Body bytes from the client."""
    bytes_down: int = 0
    """Body bytes to the client."""
    duration_us: int = 0
    """From the first byte of the request to the end, microseconds."""
    error: str | None = None
    """What failed, short; no user data."""
    page: bool | None = None
    """Set when the content type settled whether this is a page."""
    action: str | None = None
    """Tightened verdict action."""
    blocked: bool | None = None
    """Tightened."""
    reason: str | None = None
    """Tightened."""
    rule: str | None = None
    """Tightened."""
    category: str | None = None
    """Tightened."""
    stage: str | None = None
    """Stage that tightened."""
    repeats: int = 0
    """How many more exchanges, alike in everything and within the same second, this row stands for (`logstore.flood`);
    its bytes are those of all of them, its duration is its own."""


def _swift[Made](frozen: type[Made]) -> Callable[..., Made]:
    """What makes one of a frozen class, as its own call does and with the same arguments, in a third of the time.

    A frozen class sets each field by a call. Ours are set while it is still of a class with the same room that is not
    frozen, and it becomes what it is to be at once after.
    """

    if hasattr(frozen, "__post_init__"):
        raise TypeError(f"{frozen.__name__} does something of its own when it is made, which this would leave out")

    def freeze(made: Any) -> None:
        made.__class__ = frozen

    same = [(one.name, one.type, field(default=one.default)) for one in fields(cast(Any, frozen))]
    made = make_dataclass(
        frozen.__name__, same, bases=(FromSpool,), namespace={"__post_init__": freeze}, slots=True, kw_only=True
    )
    return cast(Callable[..., Made], made)


new_record: type[LogRecord] = cast(type[LogRecord], _swift(LogRecord))
"""Makes a `LogRecord`. To be called only: for everything else there is the class."""
new_ending: type[Ending] = cast(type[Ending], _swift(Ending))
"""Makes an `Ending`."""
