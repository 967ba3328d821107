"""Facts of the spool that people decide about, on their way into the register: requests for a review, and what devices
refuse to have read.

Where the record is in; a taker of facts for the shipper and a cleaner for the daily retention out. The rule: a fact may
come again and is filed once; one that can never be filed is told and left out, so that it holds nobody's rows back; a
database that is away is waited for, like by the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from console import lastused, sessions
from identity.overlay import FILE_NAME
from logstore.collecting import FactTaker
from logstore.db import open_catalog, upgrade
from logstore.encoding import Fact
from logstore.place import Beside
from logstore.prunereport import Cleaned, Cleaner
from logstore.reading import SpoolCursor
from registry import refusals
from registry.overlay import write_overlay
from registry.overrides import forget as forget_overrides
from registry.refusals import Learning
from registry.requests import KIND, file_all, forget

KEPT = Learning().window
"""How long what devices did is kept when nobody says."""


def fact_taker(store: Beside, keep: timedelta = KEPT) -> FactTaker:
    """Files what is a request, counts what devices did and keeps it for `keep`, and lets the rest pass."""

    def take(facts: Sequence[tuple[SpoolCursor, Fact]]) -> None:
        payloads = [fact.payload for _, fact in facts if fact.kind == KIND]
        seen = [fact for _, fact in facts if fact.kind in refusals.KINDS]
        if not payloads and not seen:
            return
        upgrade(store)
        engine = open_catalog(store)
        try:
            with engine.begin() as connection:
                file_all(connection, payloads)
                refusals.file_all(connection, seen, keep)
        finally:
            engine.dispose()

    return take


def refusal_cleaner(store: Beside, keep: timedelta) -> Cleaner:
    """Removes what devices refused, and dismissals that ended, when they are older than `keep` or than rows may be."""

    def clean_refusals(limit: datetime, dry_run: bool) -> Cleaned:
        engine = open_catalog(store)
        try:
            with engine.begin() as connection:
                oldest = max(limit, datetime.now(UTC) - keep)
                gone = refusals.forget(connection, oldest, dry_run=dry_run)
                gone += refusals.forget_dismissed(connection, limit, dry_run=dry_run)
            return Cleaned("what devices refused to have read", gone)
        finally:
            engine.dispose()

    return clean_refusals


def session_cleaner(store: Beside) -> Cleaner:
    """Removes the console's sessions that nobody signed in after, when they are older than rows may be."""
    return _cleaner(store, "sessions of the console", sessions.forget)


def view_cleaner(store: Beside) -> Cleaner:
    """Removes searches saved in the console that were of no use for longer than rows may be kept."""
    return _cleaner(store, "saved searches", lastused.forget)


def _cleaner(store: Beside, place: str, forget: Callable[..., int]) -> Cleaner:
    def clean(limit: datetime, dry_run: bool) -> Cleaned:
        engine = open_catalog(store)
        try:
            with engine.begin() as connection:
                return Cleaned(place, forget(connection, limit, dry_run=dry_run))
        finally:
            engine.dispose()

    return clean


def request_cleaner(store: Beside, overlay: Path | None) -> Cleaner:
    """Removes requests, and overrides that ended, when they are older than rows may be.

    Answers to requests and overrides stand in the overlay, too, which is written anew; None: no overlay is made of it.
    """

    def clean_requests(limit: datetime, dry_run: bool) -> Cleaned:
        engine = open_catalog(store)
        try:
            with engine.begin() as connection:
                gone = forget(connection, limit, dry_run=dry_run)
                gone += forget_overrides(connection, limit, dry_run=dry_run)
            if not dry_run and overlay is not None and (overlay / FILE_NAME).exists():
                with engine.connect() as connection:
                    write_overlay(connection, overlay)
            return Cleaned("review requests and ended overrides", gone)
        finally:
            engine.dispose()

    return clean_requests
