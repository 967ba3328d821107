"""Every engine takes a row once, whole, and refuses the same rows.

Shows: `logstore.folding`, `logstore.postgres.names`, `logstore.postgres.store`, `logstore.store`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logstore.filter import LogFilter
from logstore.folding import day_of
from logstore.place import Where
from logstore.query import Archive
from logstore.reading import SpoolCursor
from logstore.record import EndingKind
from logstore.stats import series, top, totals
from logstore.store import BadRow, open_store
from logstore.unread import Pair
from tests.logstore.rows import AT, batch, ended, ids_from, request

DAY_US = 86_400_000_000
PLACE = SpoolCursor("gateway-1-77-1", 900)


def rows_in(where: Where) -> list[Pair]:
    with Archive(where) as archive:
        return [(row.record, row.ending) for row in archive.walk(LogFilter(), rising=True)]


def test_rows_come_back_as_they_were_stored(where: Where) -> None:
    with open_store(where) as store:
        assert store.append(batch(150), PLACE) == 150
        assert store.cursors() == {PLACE.producer: 900}
    assert rows_in(where) == batch(150)


def test_rows_that_stand_for_several_requests_are_counted_as_those(where: Where) -> None:
    """Told from the rows: one by one, in totals, in rankings and over time."""
    ids = ids_from(AT, 7_000_000)
    rows = [
        (request(ids.next(), user=f"pupil-{n % 2:04}"), ended(repeats=40 * (n % 3), bytes_down=100)) for n in range(9)
    ]
    with open_store(where) as store:
        assert store.append(rows, PLACE) == 9
        assert store.append(rows, PLACE) == 0
    assert rows_in(where) == rows
    with Archive(where) as archive:
        assert totals(archive, LogFilter()).rows == 9 + 360
        assert {place.name: place.rows for place in top(archive, LogFilter(), "user")} == {
            f"pupil-{half:04}": sum(1 + 40 * (n % 3) for n in range(9) if n % 2 == half) for half in range(2)
        }
        assert sum(span.rows for span in series(archive, LogFilter())) == 369


def test_a_batch_that_comes_again_is_not_stored_again(where: Where) -> None:
    with open_store(where) as store:
        assert store.append(batch(50), PLACE) == 50
        assert store.append(batch(50), PLACE) == 0
    with open_store(where) as store:
        assert store.append(batch(50)) == 0
    assert rows_in(where) == batch(50)


def test_a_batch_that_comes_again_with_others_stores_the_others(where: Where) -> None:
    """A record that stays open holds the place in the spool back: after a restart finished rows come again."""
    with open_store(where) as store:
        store.append(batch(40)[10:], PLACE)
        assert store.append([*batch(60), *batch(5)], PLACE) == 30
    assert rows_in(where) == batch(60)


def test_the_place_never_goes_back(where: Where) -> None:
    with open_store(where) as store:
        store.append([], PLACE)
        store.append(batch(1), SpoolCursor(PLACE.producer, 12))
        store.append([], SpoolCursor("gateway-2-78-1", 5))
        assert store.cursors() == {PLACE.producer: 900, "gateway-2-78-1": 5}


def test_rows_of_several_days_go_to_their_days(where: Where) -> None:
    ids = ids_from(AT - 3 * DAY_US, DAY_US)
    rows = [(request(ids.next()), ended()) for _ in range(5)]
    with open_store(where) as store:
        assert store.append(rows[::-1]) == 5
    assert rows_in(where) == rows
    assert len({day_of(record.id) for record, _ in rows}) == 5


@pytest.mark.parametrize("day", ["2025-01-01", "2094-09-07", "2040-02-29"])
def test_a_day_far_away_is_a_day(where: Where, day: str) -> None:
    """A clock that ran wild: its rows are stored and found like others."""
    moments = {"2025-01-01": 0, "2094-09-07": (1 << 63) - 1, "2040-02-29": 2_000_000_000_000 << 22}
    record_id = moments[day]
    with open_store(where) as store:
        assert store.append([(request(record_id), ended())]) == 1
        assert store.append([(request(record_id), ended())]) == 0
    with Archive(where) as archive:
        assert archive.show(record_id) is not None or record_id == (1 << 63) - 1


FIELDS: dict[str, Any] = {
    "user": "Ωμέγα \U0001f98a", "site": None, "groups": ("b", "a", 'c"\\'), "categories": ("games", "ö"),
    "terms": ("castles in 'wales'", "ä%_\\"), "path": "/%2e/\\'\"", "query": "", "note": "warn-continued",
    "device": "lab2-14", "domain": None, "verified": False, "shared": True, "list": "own", "entry": "x.example",
    "port": 65_535, "method": "PROPFIND", "band": "staff", "rule": "r", "tier": "site", "page": True,
}  # fmt: skip
ENDINGS: dict[str, Any] = {
    "status": None, "content_type": None, "title": "  a   title\t\n", "error": "reset", "bytes_up": (1 << 40),
    "bytes_down": 0, "duration_us": (1 << 45), "page": True, "action": "block", "blocked": True, "reason": "content",
    "rule": "x", "category": "games", "stage": "response",
}  # fmt: skip


def test_every_field_comes_back(where: Where) -> None:
    ids = ids_from(AT)
    rows = [(request(ids.next(), **{name: value}), ended()) for name, value in FIELDS.items()]
    rows += [(request(ids.next()), ended(**{name: value})) for name, value in ENDINGS.items()]
    rows += [(request(ids.next()), ended(kind)) for kind in EndingKind]
    with open_store(where) as store:
        assert store.append(rows) == len(rows)
    assert rows_in(where) == rows


def test_text_no_database_holds_stops_nobody(where: Where) -> None:
    """The spool spells such text out before; should one get through, its neighbours are stored with it."""
    ids = ids_from(AT)
    odd = "a\0b\udc80c"
    names = ("user", "path", "host", "note")
    rows = [(request(ids.next(), **{name: odd}), ended(title=odd)) for name in names]
    rows.append((request(ids.next(), categories=(odd,), terms=(odd,)), ended()))
    rows.append((request(ids.next()), ended()))
    with open_store(where) as store:
        assert store.append(rows) == 6
    found = rows_in(where)
    assert [record.id for record, _ in found] == [record.id for record, _ in rows]
    with Archive(where) as archive:
        assert archive.count(LogFilter(category="games")).rows == 0
        assert archive.search(LogFilter(user=odd)).rows or isinstance(where, Path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"path": {}}, "path is a dict"),
        ({"port": 1 << 70}, "port"),
        ({"categories": (object(),)}, "categories holds"),
    ],
)
def test_a_row_that_can_never_be_stored_is_named(where: Where, wrong: dict[str, Any], said: str) -> None:
    ids = ids_from(AT)
    good = [(request(ids.next()), ended()) for _ in range(3)]
    record_id = ids.next()
    with open_store(where) as store:
        with pytest.raises(BadRow, match=said) as refused:
            store.append([*good, (request(record_id, **wrong), ended())], PLACE)
        assert refused.value.id == record_id
        assert store.cursors() == {}
        assert store.append(good, PLACE) == 3
    assert rows_in(where) == good


def test_what_a_failed_batch_taught_is_forgotten(where: Where) -> None:
    """An id of a name that was rolled back would make the next rows somebody else's."""
    ids = ids_from(AT)
    with open_store(where) as store:
        first = (request(ids.next(), user="ghost", host="ghost.example"), ended())
        with pytest.raises(BadRow):
            store.append([first, (request(ids.next(), path={}), ended())])
        store.append([(request(ids.next(), user="pupil-0001"), ended())])
        store.append([first])
    with Archive(where) as archive:
        assert [row.id for row in archive.search(LogFilter(user="ghost")).rows] == [first[0].id]


EVERY_ID = ids_from(AT)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.tuples(texts, texts, texts, st.booleans(), st.integers(0, 32_767)), min_size=1, max_size=20))
def test_any_text_comes_back(where: Where, values: list[tuple[str, str, str, bool, int]]) -> None:
    rows = []
    for user, path, title, blocked, status in values:
        record = request(EVERY_ID.next(), user=user, path=path, terms=(title,), blocked=blocked)
        rows.append((record, ended(title=title, status=status)))
    with open_store(where) as store:
        assert store.append(rows) == len(rows)
    with Archive(where) as archive:
        found = [archive.show(record.id) for record, _ in rows]
    assert [(row.record, row.ending) for row in found if row is not None] == rows
