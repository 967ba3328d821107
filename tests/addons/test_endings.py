"""An ending is written with the next record, or soon; never later."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from addons.endings import WAIT, Endings
from logstore.encoding import EventKind
from logstore.ids import RecordIds
from logstore.record import EndingKind
from logstore.spool import SpoolWriter
from tests.logstore.spooling import DELIVERED, events_of, make_record


@pytest.fixture
def spool(tmp_path: Path) -> Any:
    made = SpoolWriter(tmp_path / "spool", "w0")
    yield made
    made.shut()


def kinds(spool: SpoolWriter) -> list[int]:
    """What is on the disk."""
    return [event.kind for event in events_of(spool.folder)]


def closed(spool: SpoolWriter, endings: Endings, kind: EndingKind = EndingKind.RESPONSE) -> None:
    """An exchange, from beginning to end."""
    record = make_record(RecordIds(0))
    spool.open(record)
    endings.close(record.id, replace(DELIVERED, kind=kind))


def test_an_ending_is_written_soon_though_nothing_follows(spool: SpoolWriter) -> None:
    """A pupil's last page of the day does not stay open in the record; and again for the one after it."""

    async def last_page() -> None:
        endings = Endings(SimpleNamespace(spool=spool))  # type: ignore[arg-type]
        for told in (1, 2):
            closed(spool, endings)
            assert kinds(spool).count(EventKind.CLOSE) == told - 1
            end = time.monotonic() + WAIT + 5
            while kinds(spool).count(EventKind.CLOSE) < told and time.monotonic() < end:
                await asyncio.sleep(WAIT / 5)
            assert kinds(spool) == [EventKind.OPEN, EventKind.CLOSE] * told

    asyncio.run(last_page())


@pytest.mark.parametrize("kind", [kind for kind in EndingKind if kind is not EndingKind.RESPONSE])
def test_what_did_not_simply_pass_is_written_at_once(spool: SpoolWriter, kind: EndingKind) -> None:
    """A kill must not leave a page that was closed as one that was let through."""

    async def closing() -> None:
        closed(spool, Endings(SimpleNamespace(spool=spool)), kind)  # type: ignore[arg-type]
        assert kinds(spool) == [EventKind.OPEN, EventKind.CLOSE]

    asyncio.run(closing())


def test_an_ending_without_a_loop_is_written_at_once(spool: SpoolWriter) -> None:
    """Nobody would bring it."""
    closed(spool, Endings(SimpleNamespace(spool=spool)))  # type: ignore[arg-type]
    assert kinds(spool) == [EventKind.OPEN, EventKind.CLOSE]
