"""The door objects of `policy/`: request and verdict, and the words they are made of."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, NamedTuple

from categories.model import Match
from categories.names import Url
from categories.pagetable import Finding
from policy.client import Band


class Action(enum.StrEnum):
    """What is done with the request."""

    ALLOW = "allow"
    WARN = "warn"
    BLOCK = "block"
    BYPASS = "bypass"
    """Let it pass without decrypting; only at CONNECT."""


_WARN: Final = Action.WARN
_BLOCK: Final = Action.BLOCK


class Tier(enum.StrEnum):
    """Precedence between policies, strongest first. The order of members is the order of reading."""

    LOCKED = "locked"
    TRUST = "trust"
    OVERRIDE = "override"
    SITE = "site"
    DEFAULT = "default"


class Stage(enum.StrEnum):
    """How much of the exchange is known. A later stage may tighten a verdict, never loosen it."""

    __hash__ = str.__hash__  # an enum's own is Python code

    CONNECT = "connect"
    """Only the host: CONNECT or SNI."""
    REQUEST = "request"
    """Method, URL and headers."""
    RESPONSE = "response"
    """The content."""


class Reason(enum.StrEnum):
    """Why, in one low-cardinality word: metrics, block page and record share it."""

    RULE = "rule"
    """A row of the policy fitted."""
    DEFAULT = "default"
    """No row fitted; the band's default decided."""
    STATUTORY = "statutory"
    """An entry of a statutory list (LOCKED)."""
    OVERRIDE = "override"
    """A one-click, expiring decision."""
    SEARCH = "search"
    """The words searched for."""
    CIRCUMVENTION = "circumvention"
    """An attempt to get round the filter."""
    CONTENT = "content"
    """What the answer contained."""
    IDENTITY = "identity"
    """Not signed in, suspended, or consent missing."""
    GUARD = "guard"
    """A destination, port or form the gateway never serves."""
    CERTIFICATE = "certificate"
    """The origin could not prove its name."""
    UPSTREAM = "upstream"
    """The origin could not be reached."""
    DEVICE = "device"
    """The device did not take our certificate: it was let through, and asked for nothing."""
    RECORD = "record"
    """It could not be recorded."""
    FAILURE = "failure"
    """Our own fault: failed closed."""


class Signal(enum.StrEnum):
    """Forms of a request that smell of circumvention; the host sets them, rules ask for category `circumvention`."""

    __hash__ = str.__hash__  # an enum's own is Python code

    IP_LITERAL = "ip-literal"
    NO_SNI = "no-sni"
    NAME_MISMATCH = "name-mismatch"
    ODD_PORT = "odd-port"
    WRAPPED_URL = "wrapped-url"
    DOH = "doh-request"
    """DNS over HTTPS, by its path, parameter or media type (RFC 8484)."""
    WEB_PROXY = "web-proxy"
    """A page fetched through a web proxy, by the form of the URL."""
    HIDDEN_SEARCH = "hidden-search"
    """A search sent as a form, so that nobody sees the words."""
    HIDDEN_NETWORK = "hidden-network"
    """A name of Tor or I2P, which no resolver knows (RFC 7686)."""


class Request(NamedTuple):
    """The facts a rule may ask about. A named tuple, because one is made at every stage of every request."""

    url: Url
    """What it asks for, canonical."""
    stage: Stage = Stage.REQUEST
    """How much is known."""
    method: str = "GET"
    """HTTP method, upper case; `CONNECT` at that stage."""
    claims: tuple[Url, ...] = ()
    """Everything else it claims to be (CONNECT host, SNI, Host header, wrapped inner URLs). The strictest decides."""
    terms: tuple[str, ...] | None = None
    """Search terms; None lets the engine extract them from the URL."""
    signals: frozenset[Signal] = frozenset()
    """Circumvention signals seen by the host."""
    found: tuple[Finding, ...] = ()
    """What phrases say of the page that answers it; only at RESPONSE."""


@dataclass(frozen=True, slots=True)
class Outranked:
    """A row that fitted too, but did not decide."""

    tier: Tier
    """Its tier."""
    rule: str
    """Its name."""
    action: Action
    """What it would have done."""
    category: str | None = None
    """The category it fitted by, when it asked for one."""


_new: Final = tuple.__new__


class Verdict(NamedTuple):
    """What was decided, and the evidence. Nothing downstream guesses.

    A named tuple, because every newly seen host gets one and a frozen dataclass takes ten times as long to make.
    """

    action: Action
    """What is done."""
    reason: Reason
    """Why, in one word."""
    because: str
    """Why, in one sentence a teacher understands."""
    tier: Tier | None = None
    """Tier of the deciding row; None when no policy was asked (guard, failure)."""
    rule: str | None = None
    """Name of the deciding row."""
    category: str | None = None
    """The category that made the deciding row fit, or the most specific category of an allowed request."""
    match: Match | None = None
    """The entry behind `category`."""
    matches: tuple[Match, ...] = ()
    """Everything that fitted."""
    outranked: tuple[Outranked, ...] = ()
    """Rows that fitted too."""
    band: Band | None = None
    """Band that was decided for."""
    terms: tuple[str, ...] = ()
    """Search terms found in the request."""
    stage: Stage = Stage.REQUEST
    """Stage at which it was decided."""
    revision: str = ""
    """Revision of the engine that decided."""
    provisional: bool = False
    """True for a block or warning at CONNECT that a URL below the host could escape: decrypt, and ask again."""

    @property
    def blocked(self) -> bool:
        """True when the user does not get the page: blocked, or warned and not yet gone on."""
        return self.action is _BLOCK or self.action is _WARN

    @property
    def categories(self) -> tuple[str, ...]:
        """Every category that fitted, in the order of the matches, no duplicates."""
        return tuple(dict.fromkeys(match.category for match in self.matches))

    def with_evidence(self, match: Match | None, matches: tuple[Match, ...]) -> Verdict:
        """The same verdict on other evidence of the same categories. Written out: three times as fast as `_replace`."""
        values = (
            self.action,
            self.reason,
            self.because,
            self.tier,
            self.rule,
            self.category,
            match,
            matches,
            self.outranked,
            self.band,
            self.terms,
            self.stage,
            self.revision,
            self.provisional,
        )
        return _new(Verdict, values)

    def at_stage(self, stage: Stage) -> Verdict:
        """The same verdict, said to be made at `stage`."""
        return self._replace(stage=stage)
