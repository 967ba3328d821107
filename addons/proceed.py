"""Going on after a warning: verdict, client and time in; a signed token out; and back from the token to what it allows.

The warning page posts its token to `PATH` on the same origin, so that it works for HTTP and inside TLS and no cookie is
left with anybody. A token says: *this* client, *this* website, *this* rule, until *then*. Nothing here does I/O: the
secret and the time are arguments. The rule here: going on turns a `warn` into an `allow` and touches no other verdict.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qs, quote, urlencode

from categories.names import Url
from policy.client import Client
from policy.model import Action, Verdict

PATH = "/.well-known/schoolgate/continue"
"""Reserved on every origin (RFC 8615). Requests to it end at the gateway, whoever asks."""
TOKEN_LIFE = timedelta(minutes=10)
"""How long a warning page may stand open before its button is void."""
GRANT_LIFE = timedelta(minutes=30)
"""How long going on holds; after that the warning comes back."""
SECRET_BYTES = 32
"""Shortest secret that is accepted (RFC 2104: at least the length of the hash)."""
LONGEST_BACK = 2000
"""Longest path the button returns to; longer ones return to the front page."""
LONGEST_TOKEN = 2048
"""Longest token looked at."""


class Refusal(enum.StrEnum):
    """Why a token grants nothing."""

    METHOD = "method"
    """Not a POST: a link or a prefetch must not go on for anybody."""
    FOREIGN = "foreign"
    """Another website's page sent the request (Fetch Metadata)."""
    MALFORMED = "malformed"
    """No token, or not one of ours."""
    FORGED = "forged"
    """The signature is wrong."""
    EXPIRED = "expired"
    """Too late."""
    OTHER_CLIENT = "other-client"
    """Made for somebody else, or for another machine."""
    OTHER_SITE = "other-site"
    """Made for another website."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What going on covers: one website, for the warning of one rule."""

    website: str
    """Registrable domain, or the host where it has none."""
    rule: str
    """The rule that warned."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the button of a warning page needs."""

    action: str
    """Address the form posts to: path and query on the same origin."""
    minutes: int
    """How long going on will hold."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of pressing the button."""

    back: str
    """Path on the same origin to return to; always safe to redirect to."""
    scope: Scope | None = None
    """What may be granted; None when it was refused."""
    refused: Refusal | None = None
    """Why not."""


def scope_of(verdict: Verdict, url: Url) -> Scope:
    """What going on from this warning would cover."""
    return Scope(website=url.domain or url.host, rule=verdict.rule or verdict.category or verdict.reason.value)


def client_key(client: Client) -> str:
    """One text per person *and* machine: a shared address does not share a grant, nor does a shared login."""
    return json.dumps([client.address, client.user])


def offer(secret: bytes, verdict: Verdict, client: Client, url: Url, at: datetime, *, back: str = "/") -> Offer | None:
    """The button for a `warn` verdict; None for every other action, so that nothing else can be gone past."""
    if verdict.action is not Action.WARN:
        return None
    token = make_token(secret, client, scope_of(verdict, url), at + TOKEN_LIFE)
    query = urlencode({"token": token, "back": safe_back(back)}, quote_via=quote)
    return Offer(action=f"{PATH}?{query}", minutes=int(GRANT_LIFE.total_seconds() // 60))


def make_token(secret: bytes, client: Client, scope: Scope, until: datetime) -> str:
    """Sign `scope` for `client` until then: base64url(payload) `.` base64url(HMAC-SHA256)."""
    facts = [1, int(until.timestamp()), scope.website, scope.rule, _digest(secret, "client", client_key(client)).hex()]
    payload = json.dumps(facts, separators=(",", ":"), ensure_ascii=True)
    return f"{_encode(payload.encode())}.{_encode(_digest(secret, 'continue', payload))}"


def check_token(secret: bytes, token: str, client: Client, url: Url, at: datetime) -> Scope | Refusal:
    """The scope of a valid token, or why it is refused. Constant-time; never raises for what a client sent."""
    payload_text, _, signature_text = token.partition(".")
    payload, signature = _decode(payload_text), _decode(signature_text)
    if payload is None or signature is None or len(token) > LONGEST_TOKEN:
        return Refusal.MALFORMED
    if not hmac.compare_digest(_digest(secret, "continue", payload), signature):
        return Refusal.FORGED
    _, until, website, rule, owner = json.loads(payload)
    if at.timestamp() >= until:
        return Refusal.EXPIRED
    if not hmac.compare_digest(_digest(secret, "client", client_key(client)).hex(), owner):
        return Refusal.OTHER_CLIENT
    if website != (url.domain or url.host):
        return Refusal.OTHER_SITE
    return Scope(website=website, rule=rule)


def check(
    secret: bytes,
    *,
    method: str,
    query: str,
    client: Client,
    url: Url,
    at: datetime,
    fetch_site: str | None = None,
) -> Answer:
    """Judge a request to `PATH`. `fetch_site` is its `Sec-Fetch-Site` header, None when the browser sends none."""
    fields = parse_qs(query[: LONGEST_TOKEN + 3 * LONGEST_BACK], max_num_fields=None)
    back = safe_back(fields.get("back", ["/"])[0])
    if method != "POST":
        return Answer(back, refused=Refusal.METHOD)
    if fetch_site not in (None, "same-origin"):
        return Answer(back, refused=Refusal.FOREIGN)
    found = check_token(secret, fields.get("token", [""])[0], client, url, at)
    if isinstance(found, Refusal):
        return Answer(back, refused=found)
    return Answer(back, scope=found)


def after_grant(verdict: Verdict, *, held: bool) -> Verdict:
    """The verdict once the client has gone on: `warn` becomes `allow`, everything else stays as it is."""
    return verdict._replace(action=Action.ALLOW) if held and verdict.action is Action.WARN else verdict


def safe_back(path: str) -> str:
    """`path` when a redirect to it stays on the same origin and in one header line; the front page otherwise."""
    if not path.startswith("/") or path[1:2] in ("/", "\\") or len(path) > LONGEST_BACK or path.startswith(PATH):
        return "/"
    if not path.isascii() or any(ord(char) <= 0x20 or ord(char) == 0x7F for char in path):
        return "/"
    return path


def _digest(secret: bytes, purpose: str, text: str | bytes) -> bytes:
    if len(secret) < SECRET_BYTES:
        raise ValueError(f"the secret for warnings has {len(secret)} bytes, needs {SECRET_BYTES}")
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return hmac.digest(secret, purpose.encode() + b"\0" + data, hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes | None:
    """Strict: only the one spelling `_encode` writes is taken."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if text and _encode(data) == text else None
