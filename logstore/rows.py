"""A row of the record as it comes out again.

In come the columns a query selected, out goes a `Row`: exactly the `LogRecord` and `Ending` that were stored, and the
last word on what was decided.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from logstore.dimensions import FOLDED, restored, tightened, unfold
from logstore.ids import id_time_us
from logstore.record import Ending, EndingKind, LogRecord

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """One request of the record."""

    record: LogRecord
    """What was known at the decision."""
    ending: Ending
    """What was known at the end."""

    @property
    def id(self) -> int:
        """Record id."""
        return self.record.id

    @property
    def at(self) -> datetime:
        """When it was asked for; UTC."""
        return _EPOCH + timedelta(microseconds=self.record.time_us)

    @property
    def action(self) -> str:
        """What was done in the end."""
        return str(tightened(self.record.action, self.ending.action))

    @property
    def blocked(self) -> bool:
        """Whether the user was blocked in the end."""
        return bool(tightened(self.record.blocked, self.ending.blocked))

    @property
    def reason(self) -> str:
        """Why, in the end."""
        return str(tightened(self.record.reason, self.ending.reason))

    @property
    def rule(self) -> str | None:
        """The rule that had the last word."""
        rule: str | None = tightened(self.record.rule, self.ending.rule)
        return rule

    @property
    def category(self) -> str | None:
        """The category that had the last word."""
        category: str | None = tightened(self.record.category, self.ending.category)
        return category

    @property
    def stage(self) -> str:
        """The stage that had the last word."""
        return str(tightened(self.record.stage, self.ending.stage))

    @property
    def page(self) -> bool:
        """Whether it was a page a person opened."""
        return bool(tightened(self.record.page, self.ending.page))


def row_from(columns: Mapping[str, Any]) -> Row:
    """A row from the columns of `log` and the key of each dimension, under the name of its column."""
    record: dict[str, Any] = {
        "id": columns["id"],
        "time_us": id_time_us(columns["id"]) + columns["offset_us"],
        "terms": tuple(json.loads(restored(columns["terms"]))) if columns["terms"] is not None else (),
        **{name: restored(columns[name]) for name in ("note", "path", "query")},
        "worker": "",
        "revision": "",
    }
    ending: dict[str, Any] = {
        "kind": EndingKind.INTERRUPTED,
        **{name: columns[name] for name in ("status", "bytes_up", "bytes_down", "duration_us")},
        **{name: restored(columns[name]) for name in ("error", "title")},
        "repeats": columns["repeats"] or 0,
    }
    for dimension in FOLDED:
        key = columns[dimension.column]
        if key is None:
            continue
        if dimension.derive is None:
            place, names = (record, dimension.record) if dimension.record else (ending, dimension.ending)
            place[names[0]] = restored(key)
        else:
            folded, folded_end = unfold(key)
            record |= folded
            ending |= folded_end
    return Row(LogRecord(**record), Ending(**ending))
