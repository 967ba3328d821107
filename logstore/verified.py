"""What a check of the record found: made by `logstore.verify` and `logstore.postgres.check`, told by commands.

Nothing comes in; numbers and problems go out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from logstore.chaincheck import Problem


@dataclass(slots=True)
class Verified:
    """What was looked at, and what was found."""

    lines: int = 0
    """Lines of the audit trail."""
    head: str = ""
    """The trail's last line: its number and its hash, to be kept elsewhere."""
    files: list[str] = field(default_factory=list)
    """Day files looked at."""
    rows: int = 0
    """Rows in them, as the catalog counts."""
    first: dict[str, Problem] = field(default_factory=dict)
    """Those of them in which something was found, and what was found first."""
    left: list[str] = field(default_factory=list)
    """Day files not looked at, because time was over or another gateway was checking them."""
    elsewhere: list[str] = field(default_factory=list)
    """Those of them that another gateway was checking."""
    unread: list[str] = field(default_factory=list)
    """Days of which only the rows' ids were looked at, because this account may not read rows."""
    problems: list[Problem] = field(default_factory=list)
    """What is not as it was written."""

    def looked_at(self, file: str, found: Sequence[Problem]) -> None:
        """A day file was looked at, and this was found."""
        self.files.append(file)
        self.problems += found
        if found:
            self.first[file] = found[0]

    @property
    def wrong(self) -> list[str]:
        """Files in which something was found."""
        return list(self.first)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        told = {"lines": self.lines, "head": self.head, "files": self.files, "rows": self.rows, "left": self.left}
        told |= {"unread": self.unread}
        return {"ok": self.ok, **told, "problems": [problem.as_json() for problem in self.problems]}
