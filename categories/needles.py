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

    def __init__(self, database: Any) -> None:
        self._database = database
        self._lock = threading.Lock()  # its working memory is for one scan at a time

    def found(self, octets: bytes) -> set[int]:
        """Numbers of the texts that stand in `octets`."""
        numbers: set[int] = set()
        if not octets:
            return numbers
        add = numbers.add

        def hear(number: int, _begin: int, _end: int, _flags: int, _context: object) -> None:
            add(number)

        with self._lock:
            self._database.scan(octets, match_event_handler=hear)
        return numbers


def precompiled(parts: Sequence[str]) -> bytes | None:
    """The texts compiled, to be kept in a file and opened by `opened`; None where Hyperscan is not installed."""
    if hyperscan is None or not parts:
        return None
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[part.encode("utf-8", "surrogatepass") for part in parts],
        ids=list(range(len(parts))),
        flags=[hyperscan.HS_FLAG_SINGLEMATCH] * len(parts),
        literal=True,
    )
    raw: bytes = hyperscan.dumpb(database)
    return raw


def opened(raw: bytes | None, parts: Sequence[str]) -> Needles:
    """The texts, from what `precompiled` gave; by Aho-Corasick when there is none, or it is for another machine."""
    if raw is not None and (database := _loaded(raw)) is not None:
        return Hyperscan(database)
    return AhoCorasick(parts)


def loads(raw: bytes) -> bool:
    """Whether what was compiled can be used here: Hyperscan installed, its version and the processor the same."""
    return _loaded(raw) is not None


def installed() -> str:
    """What `precompiled` would use, with its version: when that changes, what lies compiled is stale."""
    return "aho-corasick" if hyperscan is None else f"hyperscan {getattr(hyperscan, '__version__', '')}"


def _loaded(raw: bytes) -> Any:
    if hyperscan is None:
        return None
    try:
        database = hyperscan.loadb(raw, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)
        return database
    except hyperscan.HyperscanError as error:
        logger.warning("the compiled phrases are for another processor or version (%s); found more slowly", error)
        return None
