"""What can be wrong with a gateway's surroundings, and how it is said: what, where, what would have been right."""

from __future__ import annotations

from sqlalchemy.exc import SQLAlchemyError

from addons.destinations import DestinationMistake
from categories.snapshot import SnapshotError
from identity.overlay import OverlayError
from logstore.errorwords import without_rows
from logstore.place import StoreError
from policy.engine import EngineProblem
from policy.rules import PolicyErrors
from proxy.ca import CaError
from proxy.policytaking import CannotTake
from proxy.settings import SettingsError
from proxy.trust import TrustError

TROUBLES = (
    SettingsError,
    PolicyErrors,
    EngineProblem,
    SnapshotError,
    CaError,
    CannotTake,
    TrustError,
    OverlayError,
    DestinationMistake,
    StoreError,
    SQLAlchemyError,
    OSError,
)
"""Everything a command may meet that is nobody's bug."""


def in_words(error: BaseException) -> str:
    """The error for a person."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}"
    if isinstance(error, SQLAlchemyError):
        return without_rows(error)  # a driver quotes rows
    return str(error)
