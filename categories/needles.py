"""Which of many short texts stand in a long one: two engines, equal answers.

In come the texts looked for, once, and then octets (UTF-8) to look in; out come the numbers of those that stand there.
Hyperscan (`schoolgate[hyperscan]`) finds them with vector instructions and can be compiled ahead, for all workers of a
machine; Aho-Corasick is what there always is. Pure; which engine is used is never an answer's business.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Sequence
from typing import Any, Protocol

import ahocorasick

hyperscan: Any
try:
    hyperscan = importlib.import_module("hyperscan")
except ImportError:  # an extra; the other engine answers the same
    hyperscan = None

logger = logging.getLogger(__name__)

SHORT = 6
"""Octets up to which a text is in the table for short ones: some hundred of these among ten thousand have Hyperscan
look twice at nearly every place."""
_FORM = b"short-and-long"
"""Begins what is compiled."""


class Needles(Protocol):
    """The texts looked for, compiled. Safe to use from any thread."""

    @property
    def engine(self) -> str:
        """Its name: `hyperscan`, `aho-corasick`."""

    def found(self, octets: bytes) -> set[int]:
        """Numbers (places in what was looked for) of those that stand in `octets`."""


class AhoCorasick:
    """Always there."""

    engine = "aho-corasick"

    def __init__(self, parts: Sequence[str]) -> None:
        self._automaton = ahocorasick.Automaton()
        for number, part in enumerate(parts):
            self._automaton.add_word(part, number)
        if parts:
            self._automaton.make_automaton()
        self._empty = not parts

    def found(self, octets: bytes) -> set[int]:
        """Numbers of the texts that stand in `octets`."""
        if self._empty:
            return set()
        return {number for _, number in self._automaton.iter(octets.decode("utf-8", "surrogatepass"))}


class Hyperscan:
    """Several times as fast, where it is installed."""

    engine = "hyperscan"

    def __init__(self, *databases: Any) -> None:
        self._databases = databases
        self._lock = threading.Lock()  # their working memory is for one scan at a time

    def found(self, octets: bytes) -> set[int]:
        """Numbers of the texts that stand in `octets`."""
        numbers: set[int] = set()
        if not octets:
            return numbers
        add = numbers.add

        def hear(number: int, _begin: int, _end: int, _flags: int, _context: object) -> None:
            add(number)

        with self._lock:
            for database in self._databases:
                database.scan(octets, match_event_handler=hear)
        return numbers


def precompiled(parts: Sequence[str]) -> bytes | None:
    """The texts compiled, to be kept in a file and opened by `opened`; None where Hyperscan is not installed."""
    if hyperscan is None or not parts:
        return None
    numbered = [(part.encode("utf-8", "surrogatepass"), number) for number, part in enumerate(parts)]
    short = [one for one in numbered if len(one[0]) <= SHORT]
    long = [one for one in numbered if len(one[0]) > SHORT]
    dumps = [_dumped(those) for those in (short, long) if those]
    return _FORM + bytes([len(dumps)]) + b"".join(len(dump).to_bytes(8, "little") + dump for dump in dumps)


def _dumped(numbered: Sequence[tuple[bytes, int]]) -> bytes:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[octets for octets, _ in numbered],
        ids=[number for _, number in numbered],
        flags=[hyperscan.HS_FLAG_SINGLEMATCH] * len(numbered),
        literal=True,
    )
    raw: bytes = hyperscan.dumpb(database)
    return raw


def opened(raw: bytes | None, parts: Sequence[str]) -> Needles:
    """The texts, from what `precompiled` gave; by Aho-Corasick when there is none, or it is for another machine."""
    if raw is not None and (databases := _loaded(raw)):
        return Hyperscan(*databases)
    return AhoCorasick(parts)


def loads(raw: bytes) -> bool:
    """Whether what was compiled can be used here: Hyperscan installed, its version and the processor the same."""
    return bool(_loaded(raw))


def installed() -> str:
    """What `precompiled` would use, with its version: when that changes, what lies compiled is stale."""
    return (
        "aho-corasick" if hyperscan is None else f"hyperscan {getattr(hyperscan, '__version__', '')} {_FORM.decode()}"
    )


def _loaded(raw: bytes) -> list[Any]:
    """What was compiled; none where it cannot be used here."""
    if hyperscan is None:
        return []
    try:
        databases = [hyperscan.loadb(dump, hyperscan.HS_MODE_BLOCK) for dump in _parted(raw)]
        for database in databases:
            database.scratch = hyperscan.Scratch(database)
    except hyperscan.HyperscanError as error:
        logger.warning("the compiled phrases are for another processor or version (%s); found more slowly", error)
        return []
    return databases


def _parted(raw: bytes) -> list[bytes]:
    """The dumps in what was compiled; what is cut or spoilt comes as it is, and does not load."""
    if not raw.startswith(_FORM):
        return [raw]
    dumps, place = [], len(_FORM) + 1
    while place < len(raw):
        begin = place + 8
        place = begin + int.from_bytes(raw[begin - 8 : begin], "little")
        dumps.append(raw[begin:place])
    whole = place == len(raw) and raw[len(_FORM) :][:1] == bytes([len(dumps)])
    return dumps if whole else [raw]
