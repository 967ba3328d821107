"""Who is asking: evidence from the connection and `Proxy-Authorization`, through `identity/`, to the policy's `Client`.

Runs before `filter` in every stage. A password is checked off the event loop; a sign-in is remembered for the
connection it was proved on, and looked up again whenever the people in force change, so that a disabled user is refused
on open connections too. No other header is ever evidence (design §5.7).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from mitmproxy import http
from mitmproxy.connection import Client as ClientConnection

from addons.flownotes import ConnectionNotes, connection_notes, flow_notes
from addons.live import Live
from identity.basic import Credentials, parse_basic
from identity.directory import Person
from identity.model import Evidence, Identity
from identity.resolve import resolve, resolve_session, resolve_unasked
from identity.sessions import ConcurrentUses, Standing, signed_in
from policy.client import STRICTEST_BAND, Band, Client
from policy.rows import Policy

logger = logging.getLogger(__name__)

CHECK_SECONDS = 10.0
"""Longest a password check may take before the answer is no."""
CHECKERS = 2
"""Passwords a worker checks at once."""
CONCURRENT = "concurrent-use"
"""Kind of the fact that one account is used on two machines at once (B-19)."""
_BANDS = frozenset(Band)


class Identify:
    """Puts a `Client` on every connection and flow."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self._uses = ConcurrentUses()
        self._checkers = ThreadPoolExecutor(max_workers=CHECKERS, thread_name_prefix="passwords")
        self._turns = asyncio.Semaphore(CHECKERS)

    def client_connected(self, client: ClientConnection) -> None:
        """The address alone: place, device, band."""
        notes = connection_notes(client)
        try:
            self._by_address(notes)
        except Exception:
            self._unknown(notes)

    def http_connect(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Sign-in for a tunnel: the requests inside it carry no proxy header."""
        return self._identify(flow)

    def requestheaders(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Sign-in for a plain request; for one inside a tunnel, what the tunnel's connection knows."""
        return self._identify(flow)

    def _identify(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Only a password is waited for: everything else is known at once."""
        notes = connection_notes(flow.client_conn)
        header = flow.request.headers.get("proxy-authorization")
        inside = notes.connect is not None and flow.request.method != "CONNECT"
        if header is not None and not inside and self.live.sign_in != "off" and notes.wanted is None:
            return self._identify_by(header, flow, notes)
        try:
            if inside:
                self._refresh(notes)
            elif notes.session is not None or notes.directory_revision != self.live.directory.revision:
                # Proof goes with each request outside a tunnel (RFC 9110 §11.7.2): others may share this connection.
                self._by_address(notes)
        except Exception:
            self._unknown(notes)
        flow_notes(flow).client = notes.client
        return None

    async def _identify_by(self, header: str, flow: http.HTTPFlow, notes: ConnectionNotes) -> None:
        try:
            await self._sign_in(notes, header)
        except Exception:
            self._unknown(notes)
        flow_notes(flow).client = notes.client

    def _refresh(self, notes: ConnectionNotes) -> None:
        """What was known of the connection, if it still holds."""
        directory, at, session = self.live.directory, self.live.now(), notes.session
        if session is None:
            if notes.directory_revision != directory.revision:
                self._by_address(notes)
        elif session.standing(directory, at) is not Standing.HOLDS:
            identity = resolve_session(notes.address, session, directory, at)
            notes.session = session.resolved(directory, identity)
            self._known(notes, identity)

    def _by_address(self, notes: ConnectionNotes) -> None:
        notes.session = None
        self._known(notes, by_address(notes, self.live))

    async def _sign_in(self, notes: ConnectionNotes, header: str) -> None:
        directory, at = self.live.directory, self.live.now()
        credentials = parse_basic(header)
        checked = False
        if credentials is not None:
            person = directory.person(credentials.name)
            known = self.live.passwords.quick(credentials, person)
            checked = await self._check(credentials, person, notes.address) if known is None else known
        evidence = Evidence(notes.address, header)
        identity = resolve(evidence, directory, self.live.sign_in, checked, at)
        session = signed_in(evidence, directory, checked=checked, at=at)
        notes.session = session.resolved(directory, identity) if session is not None else None
        self._known(notes, identity)
        if identity.user is not None:
            self._notice(identity)

    async def _check(self, credentials: Credentials, person: Person | None, address: str) -> bool:
        passwords, name = self.live.passwords, credentials.name
        if passwords.attempts.wait(name, address, self.live.now()):
            return False
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CHECK_SECONDS), self._turns:
            # While this one waited its turn, the same guess may have been looked at, or too many others been wrong.
            if (known := passwords.quick(credentials, person)) is not None:
                return known
            if passwords.attempts.wait(name, address, self.live.now()):
                return False
            right = await loop.run_in_executor(self._checkers, partial(passwords.verify, credentials, person))
            if right:
                passwords.attempts.succeeded(name, address, self.live.now())
            else:
                passwords.attempts.failed(name, address, self.live.now())
        return right

    def _notice(self, identity: Identity) -> None:
        use = self._uses.used(identity.user or "", identity.address, self.live.now(), shared=identity.shared)
        if use is not None:
            facts = {"user": use.name, "addresses": list(use.addresses), "at": use.at.isoformat()}
            self.live.spool.fact(CONCURRENT, facts)

    def _known(self, notes: ConnectionNotes, identity: Identity) -> None:
        notes.identity = identity
        notes.directory_revision = self.live.directory.revision
        notes.client = to_client(identity, self.live)

    def _unknown(self, notes: ConnectionNotes) -> None:
        """Our own fault: nobody is believed, the strictest band decides."""
        logger.exception("who is asking could not be found out")
        self.live.metrics.hook_failures.labels("identify").inc()
        notes.session, notes.directory_revision = None, None
        asked = self.live.sign_in == "required" and notes.wanted is None
        notes.identity = Identity(notes.address, refused="sign-in" if asked else None)
        notes.client = Client(address=notes.address)


def by_address(notes: ConnectionNotes, live: Live) -> Identity:
    """Who is on a connection on which nobody has signed in."""
    if notes.wanted is not None:  # it knows of no proxy, and cannot be asked
        return resolve_unasked(notes.address, live.directory, live.sign_in)
    return resolve(Evidence(notes.address), live.directory, live.sign_in, None, live.now())


def to_client(identity: Identity, live: Live) -> Client:
    """The policy's words for an identity. An unknown band is the strictest one."""
    band = client_band(identity, live.engine.policy)
    return Client(
        site=identity.site,
        device=identity.device,
        address=identity.address,
        user=identity.user,
        groups=identity.groups,
        band=band if band is not None else STRICTEST_BAND,
        band_known=band is not None,
        source=identity.source,
        verified=identity.verified,
        shared=identity.shared,
    )


def client_band(identity: Identity, policy: Policy) -> Band | None:
    """The identity's own band, else the strictest of its groups; None when neither says."""
    if identity.band in _BANDS:
        return Band(identity.band)
    return policy.band_of_groups(identity.groups)
