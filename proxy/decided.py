"""What people decided with one click, laid over lists and policy: an overlay in, an engine out.

The rule: the compiled lists and the policy file are the slow part and stay as they are; a decision only builds a new
engine around them, in milliseconds. Supervisor, workers and commands all come through `put_together`, so that
`explain` and the filter know the same decisions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from categories import layered
from categories.layered import LayeredIndex, OwnEntry
from categories.model import Index
from identity.overlay import FILE_NAME, Overlay, OverlayError, read_overlay
from policy import overrides
from policy.engine import Engine
from policy.overrides import Override, with_overrides
from policy.rows import Policy
from proxy.settings import Settings
from proxy.statutory_state import Standing


@dataclass(frozen=True, slots=True)
class Parts:
    """The slow part: what a reload builds."""

    index: Index
    """The compiled lists."""
    policy: Policy
    """The policy file."""
    standing: Standing = field(default_factory=Standing)
    """The statutory lists."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The quick part: what the overlay says of pages."""

    overrides: tuple[Override, ...] = ()
    """One-click decisions, those that are over too."""
    entries: tuple[OwnEntry, ...] = ()
    """Own entries, those that are over too."""
    revision: str = field(default="", compare=False)
    """Revision of the overlay it was read from."""

    def at(self, moment: datetime) -> Decided:
        """What is not over yet."""
        return Decided(
            tuple(one for one in self.overrides if one.until is None or moment < one.until),
            tuple(one for one in self.entries if one.until is None or moment < one.until),
            self.revision,
        )

    def next_end(self, moment: datetime) -> datetime | None:
        """When the next of these is over; None when none ever is."""
        ends = [*(one.until for one in self.overrides), *(one.until for one in self.entries)]
        return min((end for end in ends if end is not None and end > moment), default=None)


def overlay_file(settings: Settings) -> Path:
    """Where the overlay is."""
    return settings.data / "overlay" / FILE_NAME


def decided_in(overlay: Overlay) -> Decided:
    """What an overlay says of pages. Raises `OverlayError`: half a set of decisions is never put in force."""
    try:
        return Decided(
            overrides.unpack(overlay.decided.get("overrides", ())),
            layered.unpack(overlay.decided.get("entries", ())),
            overlay.revision,
        )
    except (ValueError, TypeError, AttributeError, IndexError) as error:
        raise OverlayError(f"holds a decision that cannot be read: {error}") from error


def open_decided(settings: Settings) -> Decided:
    """What is decided now; nothing when there is no overlay yet. Raises `OverlayError`."""
    file = overlay_file(settings)
    return decided_in(read_overlay(file)) if file.exists() else Decided()


def put_together(parts: Parts, decided: Decided, at: datetime) -> Engine:
    """The engine of lists, policy and decisions at that moment. Raises `EngineProblem`."""
    now = decided.at(at)
    index = LayeredIndex(parts.index, now.entries) if now.entries else parts.index
    # Statutory lists outermost: nothing that people decided lies over them.
    lists, closes_at = parts.standing.over(index), parts.standing.closes_at
    return Engine(lists, with_overrides(parts.policy, now.overrides), closes_at=closes_at)
