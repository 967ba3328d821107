"""A statutory list as its issuer hands it over: one signed file in which no entry can be read.

In come entries and the issuer's key, out come bytes; in come bytes and a public key, out comes a `Bundle`. What is
verified is what is used: a bundle lives on the very bytes whose signature was checked, in memory of this process, so
that nothing done to a file afterwards reaches it (docs/decisions/0007).

    magic line · length of the header · header (JSON) · heads · tails · marks · signature

Every entry is HMAC-SHA-256 under the bundle's own key, cut to 128 bits: eight bytes in `heads` (sorted), eight in
`tails`, and one byte of marks. The signature is Ed25519 (RFC 8032) over all that stands before it. The room's rule
here: no entry, and nothing that is made of one, is ever part of a message.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
import sys
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from categories.names import is_address
from categories.statutory_forms import Kind, Listed, asked_form, count_bit, host_form

MAGIC = b"SCHOOLGATE-STATUTORY\n"
FORMAT = "schoolgate-statutory/1"
"""Changes whenever the same entries would be written differently."""
LARGEST = 256 * 1024 * 1024
"""Bytes of a bundle that are looked at: eight million entries and more."""
HOST, PAGES, BELOW, QUERIES = 1, 2, 4, 8
"""Marks of a host: which kinds of entries it has."""
_CONTEXT = b"schoolgate statutory bundle 1\0"
_SIGNATURE = 64
_KEY = 32
_LONGEST_HEADER = 64 * 1024
_PREFIX = "ed25519:"


class BundleProblem(Exception):
    """A bundle that is not taken, and why; never a word of what it holds."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a bundle says of itself, in plain text."""

    list: str
    """The issuer's name for the list: `IWF URL list`."""
    category: str
    """The statutory category its entries are of."""
    purpose: Literal["issue", "test"]
    """`test` bundles are in force like any other and never make a gateway compliant."""
    sequence: int
    """Rises with every issue; an earlier one is never taken again."""
    created: datetime
    """When it was issued, UTC."""
    expires: datetime
    """From when its issuer no longer stands by it, UTC."""
    counts: dict[str, int]
    """Entries by kind."""
    key_id: str
    """Which key signed it (`key_id`)."""
    successor: str | None
    """Public key that may sign what follows; only so does a key ever change."""
    canary: str
    """A host that stands in the list and in no other place: whoever asks for it must be blocked."""
    labels: int
    """Labels of the longest host that has an entry; addresses aside."""
    segments: int
    """Segments of the deepest `everything below` entry."""
    rows: int
    """Rows of the table."""
    salt: str = field(repr=False)
    """Key of the hashes, hex."""

    @property
    def entries(self) -> int:
        """Entries as the issuer counts them, the canary left out."""
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Issue:
    """What an issuer settles for one bundle."""

    list: str
    category: str
    sequence: int
    created: datetime
    expires: datetime
    purpose: Literal["issue", "test"] = "issue"
    successor: str | None = None


class Keyed:
    """HMAC-SHA-256 (RFC 2104) under one key, with both pads hashed beforehand: half the time of `hmac.digest`."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY:
            raise ValueError(f"the key of the hashes has {len(key)} bytes, needs {_KEY}")
        block = key.ljust(64, b"\0")
        self._inner = hashlib.sha256(bytes(octet ^ 0x36 for octet in block))
        self._outer = hashlib.sha256(bytes(octet ^ 0x5C for octet in block))

    def digest(self, text: bytes) -> bytes:
        """The first 128 bits."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.digest()[:16]


class Bundle:
    """A verified bundle. Immutable; made by `open_bundle` only."""

    __slots__ = ("_heads", "_keyed", "_marks", "_tails", "digest", "header", "raw")

    def __init__(self, raw: bytes, header: Header, heads: array[int], tails: memoryview, marks: memoryview) -> None:
        self.raw = raw
        """The file's bytes."""
        self.header = header
        """What it says of itself."""
        self.digest = hashlib.sha256(raw).hexdigest()
        """SHA-256 of the file."""
        self._heads = heads
        self._tails = tails
        self._marks = marks
        self._keyed = Keyed(bytes.fromhex(header.salt))

    def row(self, form: bytes) -> int:
        """The row of a form; -1 when it is not in the list. About a microsecond."""
        digest = self._keyed.digest(form)
        head, tail = int.from_bytes(digest[:8]), digest[8:]
        at = bisect_left(self._heads, head)
        while at < len(self._heads) and self._heads[at] == head:
            if self._tails[8 * at : 8 * at + 8] == tail:
                return at
            at += 1
        return -1

    def marks(self, row: int) -> int:
        """The marks of a row that `row` gave; 0 for -1."""
        return self._marks[row] if row >= 0 else 0


def key_id(public: bytes) -> str:
    """Short name of a public key."""
    return hashlib.sha256(public).hexdigest()[:16]


def public_key_text(public: bytes) -> str:
    """A public key as settings write it."""
    return _PREFIX + base64.b64encode(public).decode()


def read_public_key(text: str) -> bytes:
    """The 32 bytes of a public key. Raises `ValueError` that says what would have been right."""
    try:
        public = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        public = b""
    if len(public) != 32:
        raise ValueError(f"is no Ed25519 public key: {_PREFIX} and 44 characters of Base64, as `keygen` prints")
    return public


def build_bundle(entries: Iterable[Listed], issue: Issue, public: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """The signed file. `sign` answers the Ed25519 signature of what it is given. Raises `BundleProblem`."""
    listed = dict.fromkeys(entries)
    if not listed:
        raise BundleProblem("it holds no entry; a list without entries closes nothing and is never taken")
    salt = secrets.token_bytes(_KEY)
    canary = f"canary-{secrets.token_hex(8)}.statutory.test"
    keyed = Keyed(salt)
    rows = {keyed.digest(form): marks for form, marks in _forms([*listed, Listed(Kind.HOST, canary)]).items()}
    header = Header(
        **asdict(issue),
        counts={kind.value: sum(entry.kind is kind for entry in listed) for kind in Kind},
        key_id=key_id(public),
        canary=canary,
        labels=max(host.count(".") + 1 for host in (canary, *(e.host for e in listed)) if not is_address(host)),
        segments=max((_segments(entry.path) for entry in listed if entry.kind is Kind.BELOW), default=0),
        rows=len(rows),
        salt=salt.hex(),
    )
    order = sorted(rows)
    said = json.dumps(asdict(header), sort_keys=True, separators=(",", ":"), default=datetime.isoformat).encode()
    said = said.replace(b"{", b'{"format":"' + FORMAT.encode() + b'",', 1)
    table = (b"".join(row[:8] for row in order), b"".join(row[8:] for row in order), bytes(rows[row] for row in order))
    body = b"".join((MAGIC, len(said).to_bytes(4), said, *table))
    raw = body + sign(_CONTEXT + body)
    open_bundle(raw, public)
    return raw


def open_bundle(raw: bytes, *trusted: bytes) -> Bundle:
    """Verify everything, then read. Raises `BundleProblem` for anything but a whole bundle signed by a trusted key."""
    if not raw.startswith(MAGIC) or len(raw) < len(MAGIC) + 4 + _SIGNATURE:
        raise BundleProblem("it is no statutory bundle, or only the beginning of one")
    body, signature = raw[:-_SIGNATURE], raw[-_SIGNATURE:]
    if not any(_signed(public, body, signature) for public in trusted):
        raise BundleProblem(_why_not(raw, trusted))
    start = len(MAGIC) + 4
    end = start + int.from_bytes(raw[len(MAGIC) : start])
    try:
        header = _header(json.loads(raw[start:end]))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleProblem(f"its header cannot be read ({type(error).__name__})") from None
    if len(body) != end + 17 * header.rows or not header.entries:
        raise BundleProblem("its header and its table do not agree, or it holds no entry")
    view = memoryview(raw)
    tails = view[end + 8 * header.rows : end + 16 * header.rows]
    return Bundle(
        raw, header, _heads(raw[end : end + 8 * header.rows]), tails, view[end + 16 * header.rows : len(body)]
    )


def peek(raw: bytes) -> dict[str, Any]:
    """What a bundle claims of itself, unverified; empty when that cannot be read. For messages only."""
    start = len(MAGIC) + 4
    size = int.from_bytes(raw[len(MAGIC) : start])
    try:
        said = json.loads(raw[start : start + min(size, _LONGEST_HEADER)])
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _why_not(raw: bytes, trusted: tuple[bytes, ...]) -> str:
    claimed = peek(raw).get("key_id")
    known = [key_id(public) for public in trusted]
    if isinstance(claimed, str) and claimed not in known:
        return f"it is signed by the unknown key {claimed[:16]!a}; pinned is {', '.join(known)}"
    return "its signature is wrong: it was changed or damaged after it was signed"


def _signed(public: bytes, body: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, _CONTEXT + body)
    except (InvalidSignature, ValueError):
        return False
    return True


def _header(said: dict[str, Any]) -> Header:
    if said.pop("format") != FORMAT:
        raise BundleProblem(f"its format is not {FORMAT}; ask for a bundle made for this version")
    moments = {name: datetime.fromisoformat(said[name]) for name in ("created", "expires")}
    header = Header(**{**said, **{name: moment.astimezone(UTC) for name, moment in moments.items()}})
    numbers = (header.sequence, header.labels, header.segments, header.rows, *header.counts.values())
    if not all(type(number) is int and number >= 0 for number in numbers) or header.purpose not in ("issue", "test"):
        raise ValueError("a number or the purpose is wrong")
    if any(moment.tzinfo is None for moment in moments.values()) or header.expires <= header.created:
        raise ValueError("times are wrong")
    words = (header.list, header.category, header.key_id, header.canary, header.salt)
    if not all(type(word) is str and word for word in words) or len(bytes.fromhex(header.salt)) != _KEY:
        raise ValueError("a word is missing")
    if header.successor is not None:
        read_public_key(header.successor)
    return header


def _heads(octets: bytes) -> array[int]:
    heads = array("Q")
    heads.frombytes(octets)
    if sys.byteorder == "little":
        heads.byteswap()
    if any(left > right for left, right in pairwise(heads)):
        raise BundleProblem("its table is out of order")
    return heads


def _forms(listed: Iterable[Listed]) -> dict[bytes, int]:
    """Every form that is hashed, with its marks."""
    forms: dict[bytes, int] = {}
    bits = {Kind.HOST: HOST, Kind.PAGE: PAGES, Kind.BELOW: BELOW, Kind.QUERY: QUERIES}
    for entry in listed:
        forms.setdefault(entry.form, 0)
        forms[host_form(entry.host)] = forms.get(host_form(entry.host), 0) | bits[entry.kind]
        if entry.kind is Kind.QUERY:
            asked = asked_form(entry.host, entry.path)
            forms[asked] = forms.get(asked, 0) | count_bit(entry.parameters)
    return forms


def _segments(path: str) -> int:
    return 0 if path == "/" else path.count("/")
