"""Tells of clients that will not have our certificate for a host, and of what shows that it is the program's own doing.

In come the ends of connections; out go facts into the spool: a device refused a host, a device accepts us at all, a
host was accepted by somebody. Whoever counts them (`registry.refusals`) can tell a pinned program from a device without
our CA. The rule: nothing is decided here, and no device can fill the spool: each thing is told once an hour, of each
device a bounded number of them.
"""

from __future__ import annotations

import contextlib
from typing import Any

from mitmproxy.connection import Client as ClientConnection
from mitmproxy.tls import TlsData

from addons.flownotes import ConnectionNotes, connection_notes
from addons.live import Live
from logstore.spool import SpoolFull
from policy.client import Band, Client
from policy.model import Action

REFUSED = "tls-refused"
"""Kind of the fact that a device would not have our certificate for a host."""
ACCEPTS = "tls-accepts"
"""Kind of the fact that a device trusts our CA."""
TAKEN = "tls-taken"
"""Kind of the fact that a host was read: some device took our certificate for it."""
AT_ONCE = 2.0
"""Seconds within which a client that leaves after the handshake, without a word, has looked at the certificate."""
AGAIN = 3600.0
"""Seconds until the same thing is told again."""
EACH = 100
"""Refusals told of one device within that time."""
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


class Refusals:
    """Listens to the ends of handshakes and connections."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._said = Said()
        self._each: dict[str, tuple[float, int]] = {}

    def tls_failed_client(self, data: TlsData) -> None:
        """The handshake failed. Before our certificate is out there is nothing to refuse."""
        sign = sign_of(data.conn.error or "")
        if sign is not None and data.ssl_conn is not None:
            self._refused(connection_notes(data.context.client), sign)

    def client_disconnected(self, client: ClientConnection) -> None:
        """The end of a connection: what was asked on it shows that the client took our certificate."""
        notes = connection_notes(client)
        if notes.connect is None or client.timestamp_tls_setup is None:
            return
        if notes.requests:
            self._taken(notes)
        elif not notes.told and self.live.now().timestamp() - client.timestamp_tls_setup < AT_ONCE:
            self._refused(notes, "left")

    def _refused(self, notes: ConnectionNotes, sign: str) -> None:
        if not would_be_read(notes) or notes.connect is None:
            return
        device, host = device_of(notes.client), notes.connect.host
        now = self.live.now().timestamp()
        if not self._said.anew(now, REFUSED, device, host) or not self._may_tell(device, now):
            return
        staff = notes.client.band is Band.STAFF
        self._tell(REFUSED, device=device, host=host, site=notes.client.site, staff=staff, sign=sign)

    def _taken(self, notes: ConnectionNotes) -> None:
        now, device = self.live.now().timestamp(), device_of(notes.client)
        if self._said.anew(now, ACCEPTS, device):
            self._tell(ACCEPTS, device=device)
        if notes.connect is not None and self._said.anew(now, TAKEN, notes.connect.host):
            self._tell(TAKEN, host=notes.connect.host)

    def _may_tell(self, device: str, now: float) -> bool:
        since, count = self._each.get(device, (now, 0))
        if now - since >= AGAIN:
            since, count = now, 0
        if len(self._each) >= REMEMBERED:
            self._each.clear()
        self._each[device] = (since, count + 1)
        return count < EACH

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
    """What stands for a device: its name, else its address."""
    return client.device or client.address
