"""Asking for a review from a block page: verdict, client and time in, a signed button out; the form in, a fact out.

The form posts to `PATH` on the same origin, as the button of a warning does (`addons.proceed`), so that it works inside
TLS too. Its token holds what was decided, signed, so that nobody files what was never blocked, and nobody for somebody
else. Nothing here does I/O. The rule: asking opens nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections import OrderedDict, deque
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode

from addons.proceed import SECRET_BYTES, client_key
from categories.names import Url
from policy.client import Band, Client
from policy.model import Action, Reason, Tier, Verdict

PATH = "/.well-known/schoolgate/review"
"""Reserved on every origin (RFC 8615). Requests to it end at the gateway, whoever asks."""
KIND = "review-request"
"""Kind of the fact in the spool."""
TOKEN_LIFE = timedelta(hours=1)
"""How long a block page may stand open before its form is void."""
LONGEST_REASON = 500
"""Characters of a reason."""
LONGEST_BODY = 8192
"""Bytes of a form that are read."""
LONGEST_URL = 1500
"""Characters of an address that can be asked about."""
REVIEWED = frozenset({Reason.RULE, Reason.DEFAULT, Reason.OVERRIDE, Reason.SEARCH})
"""What a person may look at again: choices of the school. Illegal content and our own faults are none."""
TOO_YOUNG = frozenset({Band.EYFS, Band.KS1})
"""They ask a grown-up, who asks."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """What was decided, as a review starts from it."""

    url: str
    """What was asked for."""
    action: str
    """Action of the verdict."""
    rule: str | None
    """The rule that decided."""
    category: str | None
    """The category that made it fit."""
    list: str | None
    """The list of the entry behind it."""
    entry: str | None
    """That entry."""
    reference: str
    """The number on the page."""


def offer(secret: bytes, verdict: Verdict, client: Client, url: Url, reference: str, at: datetime) -> str | None:
    """Where the form of this page posts to; None for what nobody reviews."""
    address = str(url)
    if (
        verdict.action is not Action.BLOCK
        or verdict.tier in {None, Tier.LOCKED}
        or verdict.reason not in REVIEWED
        or (verdict.band or client.band) in TOO_YOUNG
        or len(address) > LONGEST_URL
    ):
        return None
    match = verdict.match
    blocked = Blocked(
        address,
        verdict.action.value,
        verdict.rule,
        verdict.category,
        None if match is None else match.list,
        None if match is None else match.entry[:200],
        reference,
    )
    return f"{PATH}?{urlencode({'token': make_token(secret, blocked, client, at + TOKEN_LIFE)})}"


def make_token(secret: bytes, blocked: Blocked, client: Client, until: datetime) -> str:
    """Sign `blocked` for `client` until then: base64url(payload) `.` base64url(HMAC-SHA256)."""
    facts = [1, int(until.timestamp()), _owner(secret, client), *asdict(blocked).values()]
    payload = json.dumps(facts, separators=(",", ":")).encode()
    return f"{_text(payload)}.{_text(_signature(secret, payload))}"


def opened(secret: bytes, token: str, client: Client, at: datetime) -> Blocked | None:
    """What a token of ours holds for this client; None for every other text. Constant-time; never raises."""
    payload, _, signature = (_bytes(part) if part != "." else b"" for part in token.partition("."))
    if not payload or not signature or not hmac.compare_digest(_signature(secret, payload), signature):
        return None
    _, until, owner, *values = json.loads(payload)
    if at.timestamp() >= until or not hmac.compare_digest(owner, _owner(secret, client)):
        return None
    return Blocked(*values)


def token_in(query: str) -> str:
    """The token of a request to `PATH`."""
    return parse_qs(query[: 4 * LONGEST_BODY]).get("token", [""])[0]


def reason_in(body: bytes) -> str:
    """The reason somebody wrote: the form's field `why`, one line, printable, cut to its length."""
    fields = parse_qs(body[:LONGEST_BODY].decode("utf-8", "replace"), max_num_fields=None, errors="replace")
    words = " ".join(fields.get("why", [""])[0].split())
    return "".join(letter for letter in words if letter.isprintable())[:LONGEST_REASON]


def fact(token: str, blocked: Blocked, client: Client, why: str, at: datetime) -> dict[str, Any]:
    """The request as the spool takes it. The same page's form gives the same `mark`, however often it is sent."""
    return {
        "mark": hashlib.sha256(token.encode()).hexdigest()[:32],
        "user": client.user,
        "address": client.address,
        "device": client.device,
        "site": client.site,
        "band": client.band.value if client.band_known else None,
        "verified": client.verified,
        "wanted": Action.ALLOW.value,
        "why": why,
        "at": at.isoformat(),
        **asdict(blocked),
    }


class Patience:
    """How often one client may ask. One worker's memory; bounded, and gone with the worker."""

    def __init__(self, most: int = 5, within: timedelta = timedelta(minutes=10), clients: int = 5000) -> None:
        self._most = most
        self._within = within
        self._clients = clients
        self._asked: OrderedDict[str, deque[datetime]] = OrderedDict()

    def take(self, client: Client, at: datetime) -> bool:
        """Count one request; False when it is one too many."""
        key = client_key(client)
        times = self._asked.setdefault(key, deque(maxlen=self._most))
        self._asked.move_to_end(key)
        while len(self._asked) > self._clients:
            self._asked.popitem(last=False)
        if len(times) == self._most and at - times[0] < self._within:
            return False
        times.append(at)
        return True


def _owner(secret: bytes, client: Client) -> str:
    """Whose token it is, as nobody else can read it: the page stands on the website's own origin."""
    return hmac.digest(secret, b"review-client\0" + client_key(client).encode(), hashlib.sha256).hex()


def _signature(secret: bytes, payload: bytes) -> bytes:
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"the secret for reviews has {len(secret)} bytes, needs {SECRET_BYTES}")
    return hmac.digest(secret, b"review\0" + payload, hashlib.sha256)


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    """Strict: only the one spelling `_text` writes is taken; else nothing."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return data if _text(data) == text else b""
