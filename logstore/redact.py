"""No secret in a record: paths and queries with passwords, tokens and sessions blotted out (design §5.9).

In comes the path or query of a URL as it was asked for, out goes what may be kept. Pure, and bounded whatever comes in.
What a school must be able to read stays: search terms, page names, ordinary parameters. What would let a reader of the
log sign in as somebody goes. Names are recognised in any spelling (case, percent-encoding, camelCase,
`user[password]`), also inside a URL that is itself a parameter.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import re
from urllib.parse import quote, unquote

REDACTED = "[redacted]"
"""Stands where a secret stood."""
LIMIT = 60_000
"""Characters of a path or a query that are looked at; the rest is cut away, told by length and SHA-256."""

SECRET_NAMES = frozenset(
    {
        "accesscode", "accesskey", "accesskeyid", "accesstoken", "apikey", "assertion", "auth", "authcode", "authkey",
        "authorization", "authorizationcode", "clientassertion", "clientsecret", "code", "idtoken", "jsessionid", "key",
        "nonce",
        "passcode", "passphrase", "phpsessid", "pin", "privatekey", "refreshtoken", "relaystate",
        "samlart", "samlrequest", "samlresponse", "secretkey", "sess", "sessid", "sesskey", "sid", "sig", "signingkey",
        "state", "subscriptionkey", "wresult", "ticket", "userpass", "userpassword", "verificationcode",
    }
)  # fmt: skip
"""Parameters whose value is a secret, written without separators, lower case."""
SECRET_WORDS = frozenset(
    {
        "credential", "credentials", "joincode", "jwt", "oobcode", "otp", "pass", "passw", "passwd", "password",
        "passwort", "pincode", "pw", "pwd", "secret", "secrets",
        "session", "sessionid", "signature", "token", "tokens",
    }
)  # fmt: skip
"""Words that make a parameter secret wherever they stand in its name: `x-amz-security-token`, `user[password]`."""
SECRET_PLACES = frozenset(
    {
        "activate", "activation", "apikey", "auth", "confirm", "confirmation", "forgotpassword", "invitation",
        "invite", "hooks", "join", "key", "login", "magic", "magiclink", "oauth", "password", "passwordreset",
        "recover", "reset", "resetpassword", "session", "sessions", "signin", "sso", "token", "tokens", "unsubscribe",
        "verify", "verifyemail",
    }
)  # fmt: skip
"""Path parts after which a long part of letters and digits is a secret: `/reset-password/<part>`."""

LOOKED_BACK = 3
"""Path parts before a long part that may say it is a secret: `/users/password/edit/<part>`."""
_DEPTH = 3
_DELIMITERS = re.compile(r"([?&;#])")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{6,}+\.[A-Za-z0-9_-]{4,}+(?:\.[A-Za-z0-9_-]*+)?")
_USERINFO = re.compile(r"((?::|%3[Aa])(?://|%2[Ff]%2[Ff]))[^/?#@&]{1,512}@")
_NESTED = re.compile(r"[=@]|%3[dD]|%40|%25|eyJ|%65|%4[aA]|%79")
_PATH_SUSPECT = re.compile(r"[;=%@]|eyJ|[A-Za-z0-9_~.-]{16}")
_LONG_PART = re.compile(r"[A-Za-z0-9_~.=+:-]{16,}")
_BOT = re.compile(r"bot\d+:[A-Za-z0-9_-]{16,}")
_SCHEME_OF_PROOF = re.compile(r"(?:bearer|basic|negotiate|digest)[ +]", re.IGNORECASE)
_BEARER = re.compile(r"[A-Za-z0-9_~=+-]{40,}")
_HEX = re.compile(r"[0-9A-Fa-f-]+")


def redact_query(query: str) -> str:
    """A query string without the values of secret parameters."""
    return _redact_pairs(_cut(query), 0)


def redact_path(path: str) -> str:
    """A path without secret parts: `;jsessionid=`, JWTs, long random parts, credentials of a URL inside it.

    A long random part becomes `[redacted:<8 hex of its SHA-256>]`, so that the same document can be told again.
    """
    if len(path) <= LIMIT and _PATH_SUSPECT.search(path) is None:
        return path
    parts = _scrub(_cut(path)).split("/")
    redacted: list[str] = []
    for place, part in enumerate(parts):
        redacted.append(_redact_part(part, parts[max(0, place - LOOKED_BACK) : place]))
    return "/".join(redacted)


def redact_target(target: str) -> str:
    """Path and query in one, as they stand in a request line."""
    path, mark, query = target.partition("?")
    return redact_path(path) + mark + redact_query(query)


@functools.lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a parameter of that name, percent-encoded or not, holds a secret."""
    words = [word.lower() for word in _WORDS.findall(_decoded(name[-200:]))]
    return "".join(words) in SECRET_NAMES or not SECRET_WORDS.isdisjoint(words)


def _redact_pairs(text: str, depth: int) -> str:
    pieces = _DELIMITERS.split(text)
    return "".join(_redact_pair(piece, depth) if place % 2 == 0 else piece for place, piece in enumerate(pieces))


def _redact_pair(piece: str, depth: int) -> str:
    name, equals, value = piece.partition("=")
    if not equals:
        return _redact_value(piece, depth)
    if value and is_secret_name(name):
        return f"{name}={REDACTED}"
    return f"{name}={_redact_value(value, depth)}"


def _redact_value(value: str, depth: int) -> str:
    """A value may be a URL, or a query, of its own, written in percent-encoding."""
    if _SCHEME_OF_PROOF.match(_decoded(value[:40]) if "%" in value[:40] else value):
        return REDACTED
    if _NESTED.search(value) is None:
        return value
    value = _scrub(value)
    decoded = unquote(value, errors="surrogateescape") if "%" in value else value
    if depth >= _DEPTH or (decoded == value and "=" not in value):
        return value
    inside = _redact_pairs(_scrub(decoded), depth + 1)
    if inside == decoded:
        return value
    return quote(inside, safe="/:?=,~@!$'()*[]", errors="surrogateescape")


def _scrub(text: str) -> str:
    return _USERINFO.sub(r"\1", _JWT.sub(REDACTED, text))


def _redact_part(part: str, before: list[str]) -> str:
    if ";" in part or "=" in part:
        return _redact_pairs(part, 0)
    plain = _decoded(part) if "%" in part else part
    if _JWT.search(plain) or _USERINFO.search(plain):
        return REDACTED
    if _BOT.fullmatch(plain):
        return REDACTED
    if _LONG_PART.fullmatch(plain) and (_is_bearer(plain) or _follows_secret_place(plain, before)):
        return f"[redacted:{hashlib.sha256(plain.encode('utf-8', 'replace')).hexdigest()[:8]}]"
    return part


def _is_bearer(part: str) -> bool:
    """Long, and mixed as no word, slug, date, hash or UUID is."""
    if not _BEARER.fullmatch(part) or _HEX.fullmatch(part):
        return False
    kinds = [("a" <= c <= "z") + 2 * ("A" <= c <= "Z") + 3 * ("0" <= c <= "9") for c in part[:400]]
    changes = sum(a != b for a, b in itertools.pairwise(kinds))
    return {1, 2, 3} <= set(kinds) and changes * 4 >= len(kinds)


def _follows_secret_place(part: str, before: list[str]) -> bool:
    places = {"".join(_WORDS.findall(earlier[-64:])).lower() for earlier in before}
    return not SECRET_PLACES.isdisjoint(places) and any(c.isdigit() for c in part) and any(c.isalpha() for c in part)


def _decoded(text: str) -> str:
    for _ in range(_DEPTH):
        plain = unquote(text, errors="replace")
        if plain == text:
            break
        text = plain
    return text


def _cut(text: str) -> str:
    if len(text) <= LIMIT:
        return text
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{text[:LIMIT]}~cut~{len(text)}~sha256~{mark}"
