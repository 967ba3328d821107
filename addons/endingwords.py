"""What an ending says: which way a connection went, and a short word for what went wrong.

In come notes and the host's messages, out go endings and words of a small number, without names or addresses. Pure.
"""

from __future__ import annotations

from addons.filter import spoken
from addons.flownotes import ConnectionNotes
from addons.metrics import Way
from logstore.record import Ending, EndingKind

FAILED = "the gateway failed"
"""A layer of the host broke."""


def connection_way(notes: ConnectionNotes) -> Way | None:
    """What became of a connection that is over; None when nothing was asked on it."""
    if notes.tunnel_record is not None or notes.tunnel_unrecorded:
        return "bypassed"
    if notes.requests:
        return "inspected"
    return "refused" if notes.told else None


def tunnel_ending(notes: ConnectionNotes, elapsed: int) -> Ending:
    """How a tunnel ended after `elapsed` microseconds, and what went through it."""
    passed = notes.passed
    if passed is None:
        return Ending(kind=EndingKind.BYPASSED, duration_us=elapsed)
    if passed.error is not None:
        return Ending(kind=EndingKind.ERROR, duration_us=elapsed, error=error_word(passed.error))
    ended = EndingKind.BYPASSED
    why = passed.too_slow or notes.cut
    return Ending(kind=ended, duration_us=elapsed, error=why, bytes_up=passed.up, bytes_down=passed.down)


def error_word(message: str) -> str:
    """A short, low-cardinality word for an error message of the host; no names, no addresses."""
    lowered = spoken(message)
    for needle, word in ERROR_WORDS:
        if needle in lowered:
            return word
    return "failed"


ERROR_WORDS = (
    (FAILED, FAILED),
    ("certificate verify failed", "certificate"),
    ("is revoked", "revoked"),
    ("certificate", "certificate"),
    ("refused:", "guard"),
    ("upload larger", "guard"),
    ("client disconnect", "client left"),
    ("killed", "cut"),
    ("page cut off", "page cut off"),
    ("name or service", "no such name"),
    ("no address", "no such name"),
    ("temporary failure in name", "name lookup failed"),
    ("connect call failed", "refused"),
    ("connection refused", "refused"),
    ("timed out", "timeout"),
    ("timeout", "timeout"),
    ("reset by peer", "reset"),
    ("tls", "tls"),
    ("server closed", "closed early"),
    ("peer closed", "closed early"),
    ("protocol error", "protocol"),
    ("smuggling", "protocol"),
)
