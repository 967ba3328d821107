"""Tells of clients that will not have our certificate for a host, and of what shows that it is the program's own doing.

In come the ends of connections; out go facts into the spool: a device refused a host, a device accepts us at all, a
host was accepted by somebody. Whoever counts them (`registry.refusals`) can tell a pinned program from a device without
our CA. The rule: nothing is decided here, and no device can fill the spool: each thing is told once an hour, of each
device a bounded number of them, of each host a few who took it. Who is signed in is told as a digest that differs from
host to host: enough to count one person once.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import Any

from mitmproxy.connection import Client as ClientConnection
from mitmproxy.tls import TlsData

from addons.flownotes import ConnectionNotes, connection_notes
from addons.live import Live
from categories.statutory_forms import WITHHELD
from identity.shares import network_of
from logstore.spool import SpoolFull
from policy.client import Band, Client
from policy.model import Action

REFUSED = "tls-refused"
"""Kind of the fact that a device would not have our certificate for a host."""
ACCEPTS = "tls-accepts"
"""Kind of the fact that a device trusts our CA."""
TAKEN = "tls-taken"
"""Kind of the fact that a device took our certificate for a host."""
AT_ONCE = 2.0
"""Seconds within which a client that leaves after the handshake, without a word, has looked at the certificate."""
AGAIN = 3600.0
"""Seconds until the same thing is told again."""
EACH = 100
"""Refusals told of one device within that time."""
TAKERS = 3
"""Devices told within that time to have taken a host; one that refused it too is told besides."""
REMEMBERED = 50_000
"""Things remembered as told; beyond that, all are forgotten and told again."""
SIGNS = (
    ("unknown ca", "unknown-ca"),
    ("bad certificate", "bad-certificate"),
    ("certificate unknown", "certificate-unknown"),
    ("disconnected during the handshake", "closed"),
)
"""Part of the host's error message, and our word for it."""


class Said:
    """What was told lately."""

    def __init__(self) -> None:
        self._at: dict[tuple[str, ...], float] = {}

    def anew(self, now: float, *thing: str) -> bool:
        """Whether to tell it: it has not been told for a while, and counts as told from now on."""
        if now - self._at.get(thing, -AGAIN) < AGAIN:
            return False
        if len(self._at) >= REMEMBERED:
            self._at.clear()
        self._at[thing] = now
        return True

    def lately(self, now: float, *thing: str) -> bool:
        """Whether it was told lately."""
        return now - self._at.get(thing, -AGAIN) < AGAIN


class Refusals:
    """Listens to the ends of handshakes and connections."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._said = Said()
        self._each: dict[str, tuple[float, int]] = {}

    def tls_failed_client(self, data: TlsData) -> None:
        """The handshake failed. Before our certificate is out there is nothing to refuse."""
        notes = connection_notes(data.context.client)
        sign = sign_of(data.conn.error or "") if not notes.by_us else None
        if sign is not None and data.ssl_conn is not None:
            self._refused(notes, sign)

    def client_disconnected(self, client: ClientConnection) -> None:
        """The end of a connection: what was asked on it shows that the client took our certificate."""
        notes = connection_notes(client)
        if notes.connect is None or client.timestamp_tls_setup is None:
            return
        at_once = self.live.now().timestamp() - client.timestamp_tls_setup < AT_ONCE
        if notes.requests:
            self._taken(notes)
        elif at_once and not notes.told and not notes.by_us:
            self._refused(notes, "left")

    def _refused(self, notes: ConnectionNotes, sign: str) -> None:
        if not would_be_read(notes) or notes.connect is None or self._secret(notes):
            return
        device, host = device_of(notes.client), notes.connect.host
        now = self.live.now().timestamp()
        if not self._said.anew(now, REFUSED, device, host) or not self._may_tell(device, now, EACH):
            return
        who = {"device": device, "person": person_of(notes.client, host), "named": notes.client.device is not None}
        staff = notes.client.band is Band.STAFF
        self._tell(REFUSED, **who, host=host, site=notes.client.site, staff=staff, sign=sign)

    def _taken(self, notes: ConnectionNotes) -> None:
        now, device = self.live.now().timestamp(), device_of(notes.client)
        if self._said.anew(now, ACCEPTS, device):
            self._tell(ACCEPTS, device=device)
        if notes.connect is None or self._secret(notes) or self._said.lately(now, TAKEN, device, notes.connect.host):
            return
        host = notes.connect.host
        if self._may_tell(f"{TAKEN} {host}", now, TAKERS) or self._said.lately(now, REFUSED, device, host):
            self._said.anew(now, TAKEN, device, host)
            self._tell(TAKEN, host=host, device=device, person=person_of(notes.client, host))

    def _secret(self, notes: ConnectionNotes) -> bool:
        """Whether the host stands on a statutory list, or a page of it: then its name leaves no trace (F-06)."""
        verdict, engine = notes.connect_verdict, self.live.engine
        if verdict is None or notes.connect is None or any(match.entry == WITHHELD for match in verdict.matches):
            return True
        return not engine.policy.kinds.statutory.isdisjoint(engine.index.has_entries_below(notes.connect.host))

    def _may_tell(self, what: str, now: float, most: int) -> bool:
        since, count = self._each.get(what, (now, 0))
        if now - since >= AGAIN:
            since, count = now, 0
        if len(self._each) >= REMEMBERED:
            self._each.clear()
        self._each[what] = (since, count + 1)
        return count < most

    def _tell(self, kind: str, **payload: Any) -> None:
        with contextlib.suppress(SpoolFull):  # a suggestion less; what must be recorded has its row
            self.live.spool.fact(kind, {**payload, "at": self.live.now().isoformat()})


def sign_of(error: str) -> str | None:
    """How a client refused, by the host's message; None when it did not refuse our certificate."""
    lowered = error.lower()
    return next((sign for part, sign in SIGNS if part in lowered), None)


def would_be_read(notes: ConnectionNotes) -> bool:
    """Whether this connection was to be decrypted for no other reason than to look at what is allowed."""
    verdict = notes.connect_verdict
    allowed = verdict is not None and verdict.action is Action.ALLOW
    named = notes.connect is not None and not notes.connect.is_address and notes.sni is None
    return allowed and named and not notes.signals


def device_of(client: Client) -> str:
    """What stands for a device: its name, else its IPv4 address or its IPv6 network."""
    return client.device if client.device is not None else network_of(client.address)


def person_of(client: Client, host: str) -> str | None:
    """What stands for whoever is signed in, at this host alone; None for nobody, or for a login of many."""
    if client.user is None or client.shared:
        return None
    return hashlib.sha256(f"{host}\n{client.user.casefold()}".encode("utf-8", "replace")).hexdigest()[:16]
