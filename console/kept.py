"""Answers that hold until what they were told from changes: a key and what it is told from in, the answer out.

The rules: an answer is made once for all who ask the same at the same time; nothing that somebody may not see stands
under a key they ask with; an answer that is costly to make anew may be given a little longer, while it is made aside.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger(__name__)

MOST = 200
"""Keys of which an answer is kept; the one asked for longest ago goes."""
COSTLY = 0.1
"""Seconds: what took longer to make is made anew aside."""
LONGER = 900.0
"""Seconds an answer is given at most when it no longer holds."""


@dataclass(slots=True)
class _Answer:
    lock: threading.Lock = field(default_factory=threading.Lock)
    told: Hashable = None
    value: Any = None
    made: float | None = None
    took: float = 0.0


class Kept:
    """Keeps answers. Safe to use from several threads."""

    def __init__(self, *, aside: bool = False) -> None:
        """`aside`: costly answers are given a little longer, and made anew meanwhile."""
        self._aside = aside
        self._lock = threading.Lock()
        self._answers: dict[Hashable, _Answer] = {}

    def get[T](self, key: Hashable, told: Hashable, make: Callable[[], T]) -> T:
        """The answer to `key` as told from `told`; `make` opens what it needs itself, as it may run in a thread."""
        with self._lock:
            answer = self._answers.pop(key, None) or _Answer()
            self._answers[key] = answer
            while len(self._answers) > MOST:
                del self._answers[next(iter(self._answers))]
        if self._holds(answer, told):
            return answer.value  # type: ignore[no-any-return]
        older = answer.made is not None and time.monotonic() - answer.made < LONGER
        if self._aside and older and answer.took > COSTLY:
            if answer.lock.acquire(blocking=False):
                threading.Thread(target=self._later, args=(answer, told, make), name="kept", daemon=True).start()
            return answer.value  # type: ignore[no-any-return]
        with answer.lock:
            if not self._holds(answer, told):
                _make(answer, told, make)
            return answer.value  # type: ignore[no-any-return]

    def _holds(self, answer: _Answer, told: Hashable) -> bool:
        return answer.made is not None and answer.told == told

    def _later(self, answer: _Answer, told: Hashable, make: Callable[[], Any]) -> None:
        try:
            _make(answer, told, make)
        except Exception:
            logger.exception("an answer could not be made anew; it is tried again when somebody asks")
        finally:
            answer.lock.release()


def _make(answer: _Answer, told: Hashable, make: Callable[[], Any]) -> None:
    began = time.monotonic()
    value = make()
    answer.value, answer.took = value, time.monotonic() - began
    answer.told, answer.made = told, time.monotonic()
