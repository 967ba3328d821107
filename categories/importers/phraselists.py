"""Lists of format `phrases`: plain words as whole words, and e2guardian's grammar for what counts together.

In comes a file, or a folder as e2guardian ships them (`phraselists/gambling/weighted_danish`); out come entries, and
the files of a folder with category and kind settled. `words` and `"words"` are plain; a line that begins with `<` is
e2guardian's: see `categories.importers.e2guardian_phrases`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import BinaryIO

from categories.importers.e2guardian_items import About, include_of
from categories.importers.e2guardian_phrases import PhraseFile, phrase_texts, read_line
from categories.importers.proposal import category_for, own_category
from categories.importers.told import Told
from categories.model import EntryKind, Problem
from categories.parse import Entry, Line, Refused, phrase_items, problem
from categories.scoring import PhraseKind, ScoredPhrase
from categories.sources import ListFile, ListSource, Names
from categories.weighted import written

_ROLES = ("weighted", "banned", "exception")
_GRAMMAR = ("<", "#")
_COMMENT = re.compile(r"(?:^|\s)[#;].*", re.DOTALL)
_HEAD = 4096
_SAYS_CATEGORY = re.compile(rb'^#listcategory:\s*"([^"\r\n]+)"', re.IGNORECASE | re.MULTILINE)
_NOT_A_ROLE = f"is called neither {', '.join(_ROLES)} nor begins so; name such a file by itself to take it"
_TOLD = {
    "include": "names another file, which is not read: name it, or the folder, as a list",
    "time": "says at which times it holds; here a list always holds: write the times into the policy",
}
"""What a file says of itself and is not heeded here. Its category was settled when the file was found."""


def read_phrase_list(
    stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = "", exceptions: bool = False
) -> Iterator[Entry | Problem]:
    """Read a file. Its path, as far as there is one, may name a legacy charset, as e2guardian's do."""
    path = "/".join(PurePath(str(getattr(stream, "name", name))).parts[-3:])
    file = PhraseFile(name, exceptions=exceptions, path=path)
    told = Told(name)
    for line in phrase_texts(stream, name, path):
        if isinstance(line, Problem):
            yield line
        elif line.text.startswith(_GRAMMAR) or include_of(line):
            yield from (item for said in read_line(line, file, told) if (item := _entry(said, name)) is not None)
        else:
            yield from _plain(line, file)
    yield from told.told()


def _entry(said: ScoredPhrase | About | Problem, name: str) -> Entry | Problem | None:
    """What a line of the grammar comes to in a list: nothing when it says what is known already."""
    if isinstance(said, ScoredPhrase):
        return Entry(EntryKind.PHRASE, written(said), said.line, said.weight, said)
    if isinstance(said, About):
        return problem(name, said.line.number, said.line.text, _TOLD[said.what]) if said.what in _TOLD else None
    return said


def _plain(line: Line, file: PhraseFile) -> Iterator[Entry | Problem]:
    """Words as they are: found whole. In an exception list they are whole words that let a text pass."""
    text = _COMMENT.sub("", line.text).rstrip()
    try:
        for kind, words, weight in phrase_items(text) if text else ():
            scored = ScoredPhrase((f" {words} ",), PhraseKind.EXCEPTION, list=file.name, line=line.number)
            yield Entry(kind, words, line.number, weight, scored if file.exceptions else None)
    except Refused as why:
        yield problem(file.name, line.number, line.text, str(why))


def read_exception_list(
    stream: BinaryIO, name: str, *, top_levels: bool = False, only: str = ""
) -> Iterator[Entry | Problem]:
    """Read a file in which a phrase without a weight lets a text pass."""
    yield from read_phrase_list(stream, name, exceptions=True)


def phrase_files(source: ListSource, names: Names) -> Iterator[ListFile | Problem]:
    """The files of a folder of phrase lists: one list each, called by its path. Links are not followed."""
    found = False
    for file in sorted(_files_below(source.path)):
        inside = file.relative_to(source.path)
        role = next((role for role in _ROLES if file.name.lower().startswith(role)), "")
        if not role:
            yield problem(f"{source.name}/{inside}", 1, str(file), _NOT_A_ROLE)
            continue
        found = True
        yield ListFile(
            f"{source.name}/{inside.as_posix()}",
            source.category or _category(file, source, names),
            file,
            "exception-phrases" if role == "exception" else "phrases",
            limit=source.limit,
            apply_to=source.apply_to,
        )
    if not found:
        yield problem(source.name, 0, str(source.path), "holds no file called weighted…, banned… or exception…")


def _category(file: Path, source: ListSource, names: Names) -> str:
    """What `#listcategory` says, else what the folder is called."""
    with file.open("rb") as stream:
        said = _SAYS_CATEGORY.search(stream.read(_HEAD))
    called = said[1].decode("ascii", "replace") if said else file.parent.name
    return source.categories.get(called) or category_for(names, called, file.parent.name) or own_category(names, called)


def _files_below(path: Path, depth: int = 3) -> Iterator[Path]:
    for child in path.iterdir():
        if child.is_symlink() or child.name.startswith("."):
            continue
        if child.is_file():
            yield child
        elif child.is_dir() and depth:
            yield from _files_below(child, depth - 1)
