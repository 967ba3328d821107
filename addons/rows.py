"""From a flow and its notes to a `LogRecord`: verdict, client and request in the record's primitives.

Secrets are redacted here, before anything touches a disk (X-02, design §5.9). An entry of a statutory list is secret:
the row names the list, never the entry, nor the address asked for, which would spell it out (F-06).
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TypedDict

from mitmproxy import http

from addons.flownotes import ConnectionNotes, FlowNotes
from addons.live import Live
from addons.proceed import PATH as CONTINUE
from categories.names import Url
from categories.statutory_forms import WITHHELD
from logstore.record import LogRecord, new_record
from logstore.redact import redact_path, redact_query
from policy.client import Client
from policy.kinds import SIGNALLED
from policy.model import Reason, Tier, Verdict

WEBSOCKET_SCHEME = {"http": "ws", "https": "wss"}


class Who(TypedDict):
    """The columns that say who asked."""

    site: str | None
    user: str | None
    user_source: str
    verified: bool
    shared: bool
    band: str
    groups: tuple[str, ...]
    device: str | None
    client_address: str


def open_row(live: Live, flow: http.HTTPFlow, notes: FlowNotes) -> LogRecord:
    """The record of a request as it is decided."""
    url = notes.url
    scheme, method = url.scheme if url is not None else flow.request.scheme, flow.request.method
    if flow.request.headers.get("upgrade", "").lower() == "websocket":
        scheme = WEBSOCKET_SCHEME.get(scheme, scheme)
    path, query = _target(notes.target or flow.request.path) if method != "CONNECT" else (None, None)
    if path == CONTINUE:
        query = None  # a token of ours
    return _row(
        live,
        notes.client,
        notes.verdict,
        url,
        host=flow.request.data.host if url is None else url.host,
        port=flow.request.data.port if url is None else url.port,
        method=method[:32],
        scheme=scheme,
        path=path,
        query=query,
        page=notes.page,
        note=notes.note,
        time_us=int((flow.request.timestamp_start or time.time()) * 1e6),
        record_id=notes.reference,
    )


def tunnel_row(live: Live, notes: ConnectionNotes) -> LogRecord:
    """The record of a tunnel that is not decrypted."""
    url = notes.connect
    return _row(
        live,
        notes.client,
        notes.connect_verdict,
        url,
        host=url.host if url else "",
        port=url.port if url else 443,
        method="CONNECT",
        scheme="https",
        path=None,
        query=None,
        page=False,
        note=",".join(sorted(notes.signals)) or None,
        time_us=int(time.time() * 1e6),
    )


def refused_bytes_row(live: Live, notes: ConnectionNotes, why: str, reason: Reason | None = None) -> LogRecord:
    """The record of bytes that never became a request; in a tunnel they are an attempt to get round the filter, where
    no other reason is known."""
    url = notes.connect
    if reason is None:
        reason = Reason.CIRCUMVENTION if url is not None else Reason.GUARD
    attempt = reason is Reason.CIRCUMVENTION
    client = notes.client
    host, port = (url.host, url.port) if url is not None else notes.wanted or ("", 0)
    row = LogRecord(
        id=live.ids.next(),
        time_us=int(time.time() * 1e6),
        worker=live.worker,
        revision=live.engine.revision,
        **_who(client),
        method="-",
        scheme="https" if url is not None or port == 443 else "http",
        host=host,
        port=port,
        domain=url.domain or None if url is not None else None,
        action="block",
        blocked=True,
        reason=reason.value,
        category=SIGNALLED if attempt else None,
        categories=(SIGNALLED,) if attempt else (),
        rule="guard:bytes",
        stage="connect",
        note=why,
    )
    return withheld(row, notes.connect_verdict)


def _row(
    live: Live,
    client: Client,
    verdict: Verdict | None,
    url: Url | None,
    *,
    host: str,
    port: int,
    method: str,
    scheme: str,
    path: str | None,
    query: str | None,
    page: bool,
    note: str | None,
    time_us: int,
    record_id: int | None = None,
) -> LogRecord:
    match = verdict.match if verdict is not None else None
    secret = verdict is not None and verdict.tier is Tier.LOCKED
    row = new_record(
        id=live.ids.next() if record_id is None else record_id,
        time_us=time_us,
        worker=live.worker,
        revision=verdict.revision if verdict is not None else live.engine.revision,
        **_who(client),
        method=method,
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        query=query,
        domain=(url.domain or None) if url is not None else None,
        page=page,
        action=str(verdict.action) if verdict is not None else "block",
        blocked=verdict.blocked if verdict is not None else True,
        reason=str(verdict.reason) if verdict is not None else "failure",
        tier=str(verdict.tier) if verdict is not None and verdict.tier is not None else None,
        rule=verdict.rule if verdict is not None else None,
        category=verdict.category if verdict is not None else None,
        categories=verdict.categories if verdict is not None else (),
        list=match.list if match is not None else None,
        entry=match.entry if match is not None and not secret else None,
        stage=str(verdict.stage) if verdict is not None else "request",
        terms=verdict.terms if verdict is not None else (),
        note=note,
    )
    return withheld(row, verdict)


def withheld(row: LogRecord, verdict: Verdict | None) -> LogRecord:
    """The row of a hit on a statutory list, without host and path, which would spell out the entry (F-06).

    The number of the entry in the issue in force then (the audit trail says which) tells its issuer, and through them
    the police, what it was; it tells nobody else.
    """
    hit = next((match for match in verdict.matches if match.entry == WITHHELD), None) if verdict is not None else None
    if hit is None:
        return row
    kept = [part for part in (row.note or "").split(",") if part and ":" not in part]  # not `also:` and its host
    note = ",".join([*kept, f"statutory-entry:{hit.line}"])
    return replace(row, host=WITHHELD, domain=None, path=None, query=None, terms=(), note=note)


def _who(client: Client) -> Who:
    return {
        "site": client.site,
        "user": client.user,
        "user_source": client.source,
        "verified": client.verified,
        "shared": client.shared,
        "band": str(client.band),
        "groups": tuple(sorted(client.groups)),
        "device": client.device,
        "client_address": client.address,
    }


def _target(target: str) -> tuple[str, str | None]:
    path, mark, query = target.partition("?")
    return redact_path(path), redact_query(query) if mark else None
