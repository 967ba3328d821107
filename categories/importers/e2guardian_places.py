"""Where e2guardian's files lie: paths as its configuration writes them, found in the folder that is imported.

In comes `/etc/e2guardian/lists/bannedsitelist`, `__LISTDIR__/phraselists/x` or a path relative to nothing; out comes
the file below the imported folder, or nothing. No file outside that folder is ever read: the configuration may come
from another machine, and an include must not pull this machine's files into a report.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_PLACEHOLDERS = ("@E2CONFDIR@", "__LISTDIR__", "__CONFDIR__")


class Tree:
    """A folder of e2guardian's, wherever it was copied to."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.lists_folder = ""
        """What `__LISTDIR__` stands for, as written."""

    def name(self, file: Path) -> str:
        """A file's path below the folder, for reports."""
        return file.relative_to(self.root).as_posix()

    def files(self) -> Iterator[Path]:
        """Every file of the folder, in order."""
        yield from (file for file in sorted(self.root.rglob("*")) if file.is_file() and self._inside(file))

    def find(self, name: str) -> Path | None:
        """A configuration file in the folder or right below it."""
        places = [self.root / name, *sorted(self.root.glob(f"*/{name}"))]
        return next((place for place in places if place.is_file() and self._inside(place)), None)

    def resolve(self, written: str) -> Path | None:
        """The file a path as written means; None when it is not in the folder.

        The longest end of the path that is there counts, so `/etc/e2guardian/lists/x` is found in a copy of
        `/etc/e2guardian` and of its `lists` folder. A bare file name counts only when the folder around it is ours.
        """
        path = written.strip().replace("__LISTDIR__", self.lists_folder or "__LISTDIR__")
        parts = [part for part in PurePosixPath(path).parts if part != "/" and part not in _PLACEHOLDERS]
        if not parts or ".." in parts:
            return None
        for start in range(len(parts)):
            rest = parts[start:]
            if len(rest) == 1 and start and parts[start - 1] != self.root.name:
                break
            file = self.root.joinpath(*rest)
            if file.is_file() and self._inside(file):
                return file
        return self._with_suffix(parts)

    def why_not(self, written: str, found: Path | None) -> str:
        """Why an include is not followed."""
        if found is not None:
            return "includes a file that includes this one; not followed again"
        return f"{written} is not in the imported folder {self.root.name}; copy it in and import again"

    def _with_suffix(self, parts: list[str]) -> Path | None:
        """Sources hold `bannedphraselist.in` for what is installed as `bannedphraselist`."""
        file = self.root.joinpath(*parts[:-1], f"{parts[-1]}.in")
        return file if file.is_file() and self._inside(file) else None

    def _inside(self, file: Path) -> bool:
        return file.resolve().is_relative_to(self.root)
