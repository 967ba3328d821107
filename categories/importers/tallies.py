"""What becomes of the lines of a file: read once, counted, every problem kept.

In comes a list file; out come the number of lines in force and of lines left out, and the problems. Together they are
all lines that are no comment: that is what an import promises.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from categories.importers.proposal import FileTally
from categories.model import Problem
from categories.parse import FileFormat, parse


def tally(
    file: Path,
    name: str,
    format: FileFormat,
    *,
    followed: Collection[int] = (),
    top_levels: bool = False,
    only: str = "",
) -> tuple[FileTally, list[Problem]]:
    """Read a list file. `followed` are lines that name other files, which somebody else reads. Raises `OSError`."""
    taken: set[int] = set()
    problems: list[Problem] = []
    with file.open("rb") as stream:
        for item in parse(format, stream, name, top_levels=top_levels, only=only):
            if not isinstance(item, Problem):
                taken.add(item.line)
            elif item.line not in followed:
                problems.append(item)
    left_out = sum(problem.lines for problem in problems if not problem.taken and problem.line not in taken)
    return FileTally(name, len(taken), left_out, len(followed)), problems
