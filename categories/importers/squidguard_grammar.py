"""The grammar of `squidGuard.conf`: blocks of statements, with `within … else …`.

In comes the text of the file; out come its settings and blocks as values, each with its line, and every line that does
not belong to the grammar. Meaning is `categories.importers.squidguard_conf`'s. Source: squidGuard's configuration
manual (see docs/importing.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from categories.model import Problem
from categories.parse import problem

_KINDS = {
    "time": "time",
    "src": "source",
    "source": "source",
    "dest": "dest",
    "destination": "dest",
    "rew": "rewrite",
    "rewrite": "rewrite",
    "acl": "acl",
}
_PIECE = re.compile(r"[{}]|[^{}\n]+")


@dataclass(slots=True)
class Statement:
    """One line of a block."""

    line: int
    """Its line, from 1."""
    words: list[str]
    """Its words; the first says what it is."""

    @property
    def text(self) -> str:
        """As it is quoted."""
        return " ".join(self.words)


@dataclass(slots=True)
class Part:
    """What stands between two braces: the block itself, or what follows `else`."""

    line: int
    """Line of its opening brace."""
    border: str = ""
    """`within` or `outside` when it holds at some times only."""
    time: str = ""
    """The time block it names."""
    statements: list[Statement] = field(default_factory=list)
    """Its lines."""


@dataclass(slots=True)
class Block:
    """A named block and what follows its `else`."""

    kind: str
    """`time`, `source`, `dest`, `rewrite` or `acl` (one rule of the acl block)."""
    name: str
    """Its name."""
    line: int
    """Where it begins."""
    parts: list[Part] = field(default_factory=list)
    """First to last; each `else` adds one."""


@dataclass(slots=True)
class Configuration:
    """A parsed file."""

    settings: dict[str, Statement] = field(default_factory=dict)
    """`dbhome`, `logdir` and the like."""
    blocks: list[Block] = field(default_factory=list)
    """Every block in order; the rules of `acl` as blocks of their own."""
    problems: list[Problem] = field(default_factory=list)
    """What is not of the grammar."""

    def of_kind(self, kind: str) -> list[Block]:
        """Blocks of one kind, in order."""
        return [block for block in self.blocks if block.kind == kind]


def parse_squidguard(text: str, name: str) -> Configuration:
    """Read a configuration; pure. `name` is the file's name in problems."""
    found = Configuration()
    reader = _Reader(list(_pieces(text)), name, found)
    while reader.pieces:
        reader.top()
    return found


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    number = 1
    for raw in text.splitlines():
        line = re.sub(r"(?:^|(?<=\s))#.*", "", raw)
        yield from ((number, piece.strip()) for piece in _PIECE.findall(line) if piece.strip())
        yield number, "\n"
        number += 1


class _Reader:
    """Takes pieces from the front."""

    def __init__(self, pieces: list[tuple[int, str]], name: str, found: Configuration) -> None:
        self.pieces = pieces[::-1]
        self.name = name
        self.found = found

    def top(self) -> None:
        number, piece = self.pieces.pop()
        if piece == "\n":
            return
        words = piece.split()
        kind = _KINDS.get(words[0].lower())
        if kind is None or piece in {"{", "}"}:
            self.setting(number, piece, words)
            return
        if self.next_sign() != "{":
            self.wrong(number, piece, "has no `{` behind it; a block is `name { … }`")
        elif kind == "acl":
            self.pieces.pop()
            self.acl()
        else:
            self.block(kind, number, " ".join(words[1:]), self.found.blocks)

    def setting(self, number: int, piece: str, words: list[str]) -> None:
        if piece in {"{", "}"}:
            self.wrong(number, piece, "a brace that belongs to no block")
        elif words[0].lower() in {"dbhome", "logdir"}:
            self.found.settings[words[0].lower()] = Statement(number, words)
        else:
            why = f"`{words[0]}` is no list and no rule; there is nothing like it to set here"
            self.wrong(number, piece, why)

    def block(self, kind: str, number: int, head: str, into: list[Block]) -> None:
        """A block whose `{` comes next, and every `else` behind it."""
        name, _, border = head.partition(" ")
        block = Block(kind, name, number)
        into.append(block)
        while True:
            block.parts.append(self.part(*self.border(number, border)))
            if self.next_sign().partition(" ")[0].lower() != "else":
                return
            number, piece = self.pieces.pop()
            border = piece[len("else") :]
            if self.next_sign() != "{":
                self.wrong(number, piece, "has no `{` behind it")
                return

    def border(self, number: int, text: str) -> tuple[str, str]:
        """`within` or `outside` and the time it names; nothing where it holds always."""
        words = text.split()
        if len(words) == 2 and words[0].lower() in {"within", "outside"}:
            return words[0].lower(), words[1]
        if words:
            self.wrong(number, text.strip(), "is no `within time` or `outside time`; taken as holding always")
        return "", ""

    def part(self, border: str, time: str) -> Part:
        number, _ = self.pieces.pop()
        part = Part(number, border, time)
        while self.pieces:
            number, piece = self.pieces.pop()
            if piece == "}":
                return part
            if piece == "{":
                self.wrong(number, piece, "a brace inside a block that has none")
            elif piece != "\n":
                part.statements.append(Statement(number, piece.replace(",", " ").split()))
        self.wrong(part.line, "{", "is never closed")
        return part

    def acl(self) -> None:
        while self.pieces:
            number, piece = self.pieces.pop()
            if piece == "}":
                return
            if piece == "\n":
                continue
            if self.next_sign() == "{":
                self.block("acl", number, piece, self.found.blocks)
            else:
                self.wrong(number, piece, "has no `{` behind it; a rule is `source { pass … }`")
        self.wrong(0, "acl", "is never closed")

    def next_sign(self) -> str:
        """The next piece that is no line end; the line ends before it are dropped."""
        while self.pieces and self.pieces[-1][1] == "\n":
            self.pieces.pop()
        return self.pieces[-1][1] if self.pieces else ""

    def wrong(self, number: int, text: str, why: str) -> None:
        self.found.problems.append(problem(self.name, number, text, why))
