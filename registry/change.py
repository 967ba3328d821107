"""How a change is made: who, why and when in; a raised revision and an audit line out, in the caller's transaction.

The rule: `begin` comes first in every change. It raises the revision, which takes the database's write lock before
anything is read, so that two changes at once follow each other instead of one being lost.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, select, update

from logstore.audit import record_change
from policy.client import Band
from registry.schema import registry_revision

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""How groups, sites and devices are written."""
TEXT_LIMIT = 200
"""Longest free text, in characters."""


@dataclass(frozen=True, slots=True)
class By:
    """Who decided, why, and when: goes into the audit trail with every change."""

    who: str
    """Account of the person who decides, or of the program that acts for one."""
    at: datetime
    """When; aware."""
    why: str = ""
    """Reason in words."""


@dataclass(frozen=True, slots=True)
class RegistryProblem:
    """One thing that cannot be done."""

    where: str
    """What it is about: an account, or a place in a file."""
    what: str
    """What is wrong."""
    instead: str = ""
    """What would have been right."""

    def __str__(self) -> str:
        advice = f" ({self.instead})" if self.instead else ""
        return f"{self.where}: {self.what}{advice}"


class RegistryError(Exception):
    """A change that was refused. Carries every problem, not the first one; nothing was changed."""

    def __init__(self, *problems: RegistryProblem) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


def begin(connection: Connection, by: By) -> None:
    """Open a change: take the write lock and raise the revision."""
    raised = registry_revision.c.number + 1
    statement = update(registry_revision).where(registry_revision.c.id == 1)
    done = connection.execute(statement.values(number=raised, changed_us=to_us(by.at)))
    if done.rowcount != 1:
        raise RuntimeError("the catalog has no registry_revision row: its migrations did not run")


def note(
    connection: Connection,
    by: By,
    what: str,
    subject: str,
    before: Mapping[str, object] | None,
    after: Mapping[str, object] | None,
) -> None:
    """Write the audit line of a change."""
    record_change(connection, who=by.who, what=what, subject=subject, before=before, after=after, why=by.why, at=by.at)


def revision_number(connection: Connection) -> int:
    """How often anything in the registry was changed."""
    return int(connection.execute(select(registry_revision.c.number)).scalar_one())


def to_us(at: datetime) -> int:
    """Microseconds since the Unix epoch."""
    return (at - EPOCH) // timedelta(microseconds=1)


def from_us(micros: int | None) -> datetime | None:
    """The aware time of `to_us`; None stays None."""
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def word_problems(where: str, kind: str, words: Collection[str]) -> list[RegistryProblem]:
    """Problems of names of groups, sites or devices."""
    instead = "small letters, digits, dots and dashes, at most 64, starting with a letter or digit"
    return [
        RegistryProblem(where, f"{word!r} is no name for a {kind}", instead)
        for word in sorted(words)
        if not NAME.fullmatch(word)
    ]


def band_problems(where: str, band: str | None) -> list[RegistryProblem]:
    """Problems of an age band."""
    bands = [str(known) for known in Band]
    if band is None or band in bands:
        return []
    close = difflib.get_close_matches(band.lower(), bands, n=1)
    instead = f"did you mean {close[0]!r}?" if close else "one of " + ", ".join(bands)
    return [RegistryProblem(where, f"there is no band {band!r}", instead)]


def text_problems(where: str, kind: str, text: str) -> list[RegistryProblem]:
    """Problems of free text. A spreadsheet must never take it for a formula (OWASP, CSV injection)."""
    if len(text) > TEXT_LIMIT:
        return [RegistryProblem(where, f"the {kind} is longer than {TEXT_LIMIT} characters")]
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in text):
        return [RegistryProblem(where, f"the {kind} holds control characters")]
    if text.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")):
        return [RegistryProblem(where, f"the {kind} {text!r} starts like a formula", "start with a letter")]
    return []
