"""What a row says of how its page was read.

In come an exchange under way and a remark or a tighter verdict; out goes its record, said anew. It never raises: the
page's fate does not hang on it.
"""

from __future__ import annotations

import logging

from mitmproxy import http

from addons.flownotes import FlowNotes
from addons.live import Live
from addons.rows import open_row
from logstore.spool import SpoolFull

logger = logging.getLogger(__name__)

NOT_SCANNED = "not-scanned"
"""Begins the remark in the row of a page that was not looked at; the reason follows."""
AS_IT_STANDS = "scanned:as-it-stands"
"""The remark in the row of a page that is not written as its head says, and was read as it came."""


def not_scanned(live: Live, flow: http.HTTPFlow, notes: FlowNotes, why: str, told: str | None = None) -> None:
    """A page passes that was not looked at, or not to its end: count it, and say so in its row."""
    live.metrics.pages_not_scanned.labels(why).inc()
    remark(live, flow, notes, told or f"{NOT_SCANNED}:{why}")


def remark(live: Live, flow: http.HTTPFlow, notes: FlowNotes, told: str) -> None:
    """Say something of the page in its row."""
    notes.note = ",".join(filter(None, (notes.note, told)))
    open_again(live, flow, notes)


def open_again(live: Live, flow: http.HTTPFlow, notes: FlowNotes) -> None:
    """Say the record of an exchange under way anew: its verdict or note is another now. The decision stands either way.

    The same id: whoever merges the spool takes the last word (`logstore.merge`).
    """
    if notes.record_id is None or notes.ended:
        return  # written whole at its end
    notes.reference = notes.record_id
    try:
        live.spool.open(open_row(live, flow, notes))
    except SpoolFull:
        live.metrics.unrecorded.labels("verdict").inc()
    except Exception:
        logger.exception("record %d could not be completed", notes.record_id)
        live.metrics.hook_failures.labels("content").inc()
