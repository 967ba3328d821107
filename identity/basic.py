"""Proxy sign-in with name and password: a header in, `Credentials` out; credentials and a person in, yes or no out.

A password is never kept, shown or logged: what is remembered is a keyed digest under a secret that dies with the
process. Nothing here decides who may browse; that is `identity.resolve`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from identity.attempts import Attempts
from identity.directory import Person, account_name

HEADER_LIMIT = 4096
"""Longest `Proxy-Authorization` value that is read, in characters."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What somebody says to be, and the proof offered. Not checked yet."""

    name: str
    """Account name, in its one spelling."""
    password: str = field(repr=False)
    """The password as typed, NFC (RFC 8265, 4.2: the same password from any keyboard is the same)."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess costs whoever steals the hashes, and one sign-in costs us (RFC 9106)."""

    memory: int = 32768
    """Memory in KiB; OWASP asks for 19 MiB with two passes at the least. 32 MiB is 25 ms of one core."""
    passes: int = 2
    """Iterations."""
    lanes: int = 1
    """Parallel lanes."""


COST = Cost()
"""Cost of new hashes."""


def parse_basic(header: str | None) -> Credentials | None:
    """Read a `Proxy-Authorization` value (RFC 7617); None when it is absent, too long, or not well-formed Basic.

    The text is UTF-8, or ISO-8859-1 when it is not UTF-8 (browsers differ; RFC 7617, 2.1 and B). The password may hold
    colons. Control characters make it malformed (RFC 7617, 2). Never raises.
    """
    if header is None or len(header) > HEADER_LIMIT:
        return None
    scheme, _, rest = header.strip(" \t").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        octets = base64.b64decode(rest.strip(" \t").encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = octets.decode("latin-1")
    name, colon, password = text.partition(":")
    if not colon or any(unicodedata.category(letter) == "Cc" for letter in text):
        return None
    name = account_name(name)
    return Credentials(name, unicodedata.normalize("NFC", password)) if name else None


def hash_password(password: str, cost: Cost = COST) -> str:
    """An Argon2id hash of `password` in PHC form, with its own random salt. Slow by design: tens of milliseconds."""
    return _hasher(cost).hash(unicodedata.normalize("NFC", password))


def _hasher(cost: Cost) -> argon2.PasswordHasher:
    return argon2.PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory, parallelism=cost.lanes)


class PasswordCheck:
    """Checks passwords, and remembers what it found so that a browser's thirty connections cost one hash.

    Safe to use from several threads. A changed password is a changed hash, so nothing remembered outlives it.
    """

    def __init__(
        self,
        *,
        cost: Cost = COST,
        remember: float = 1800.0,
        size: int = 8192,
        secret: bytes | None = None,
        clock: Callable[[], float] = time.monotonic,
        attempts: Attempts | None = None,
    ) -> None:
        """`remember` is in seconds, `size` in answers of each kind; `secret` keys the digests (random by default);
        `attempts` are those of all workers."""
        self.attempts = Attempts() if attempts is None else attempts
        """Wrong passwords so far. Whoever calls `verify` asks `attempts.wait` first and tells it the answer after."""
        self._hasher = _hasher(cost)
        self._secret = os.urandom(32) if secret is None else secret
        self._clock = clock
        self._dummy = self._hasher.hash(os.urandom(16).hex())
        self._answers = {True: _Answers(remember, size), False: _Answers(remember / 6, size)}
        self._running: dict[bytes, Future[bool]] = {}
        self._lock = threading.Lock()

    def quick(self, credentials: Credentials, person: Person | None) -> bool | None:
        """What is already known of this password, in microseconds; None when only `verify` can tell."""
        return self._known(self._digest(credentials, person))

    def verify(self, credentials: Credentials, person: Person | None) -> bool:
        """Whether this is the person's password. Slow: call it off the event loop.

        Takes as long for an account that does not exist or has no password, so that time tells nobody who has one.
        The same question asked by several threads at once is worked out once.
        """
        digest = self._digest(credentials, person)
        with self._lock:
            known = self._recall(digest)
            if known is not None:
                return known
            running = self._running.get(digest)
            mine: Future[bool] | None = None
            if running is None:
                mine = running = self._running[digest] = Future()
        if mine is None:
            return running.result()
        return self._work_out(mine, digest, credentials, person)

    def _work_out(self, mine: Future[bool], digest: bytes, credentials: Credentials, person: Person | None) -> bool:
        right = False
        try:
            right = self._matches(_hash_of(credentials, person), credentials.password)
            with self._lock:
                self._answers[right].put(digest, self._clock())
        finally:
            with self._lock:
                del self._running[digest]
            mine.set_result(right)
        return right

    def _matches(self, password_hash: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash or self._dummy, password) and password_hash is not None
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False

    def _known(self, digest: bytes) -> bool | None:
        with self._lock:
            return self._recall(digest)

    def _recall(self, digest: bytes) -> bool | None:
        now = self._clock()
        return next((answer for answer, kept in self._answers.items() if kept.has(digest, now)), None)

    def _digest(self, credentials: Credentials, person: Person | None) -> bytes:
        parts = (credentials.name, credentials.password, _hash_of(credentials, person) or "")
        encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
        message = b"".join(len(part).to_bytes(4) + part for part in encoded)
        return hmac.digest(self._secret, message, "sha256")


def _hash_of(credentials: Credentials, person: Person | None) -> str | None:
    """The hash these credentials must fit: never that of another account."""
    return person.password_hash if person is not None and person.name == credentials.name else None


class _Answers:
    """Digests with one answer, each for a time; the least recently used goes first when there are too many."""

    def __init__(self, remember: float, size: int) -> None:
        self._remember = remember
        self._size = size
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def has(self, digest: bytes, now: float) -> bool:
        until = self._until.get(digest)
        if until is None:
            return False
        if until <= now:
            del self._until[digest]
            return False
        self._until.move_to_end(digest)
        return True

    def put(self, digest: bytes, now: float) -> None:
        self._until[digest] = now + self._remember
        self._until.move_to_end(digest)
        if len(self._until) > self._size:
            self._until.popitem(last=False)
