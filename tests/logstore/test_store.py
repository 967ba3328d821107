"""Rows go in once, whole and in any company: the writer of the record.

Shows: `logstore.dimensions`, `logstore.rows`, `logstore.rowcheck`, `logstore.record`.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from logstore.db import days_folder, open_catalog
from logstore.dimensions import FOLDED, PLAIN
from logstore.filter import LogFilter
from logstore.ids import EPOCH_US
from logstore.query import Archive, count
from logstore.record import Ending, EndingKind, LogRecord
from logstore.rowcheck import fault
from logstore.rows import Row
from logstore.schema import day_file, retention_run
from logstore.store import BadRow, Store, day_of
from logstore.verify import verify

from .rows import AT, ended, ids_from, request

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Place:
    producer: str
    seq: int


def stored_rows(folder: Path) -> list[Row]:
    """Everything in the store, oldest first."""
    with Archive(folder) as archive:
        return list(archive.walk(LogFilter(), rising=True))


def odd_value(name: str, kind: str, number: int) -> Any:
    """A value of a field that differs from its default and from every other field's."""
    match kind.replace(" | None", ""):
        case "int":
            return 1000 + number
        case "bool":
            return True
        case "str":
            return f"{name}-{number}"
        case "tuple[str, ...]":
            return (f"{name}-{number}", f"ä {name}")
        case "EndingKind":
            return EndingKind.ABORTED
    raise AssertionError(f"say here what an odd value of {name}: {kind} is, and see that it is stored")


def full_pair() -> tuple[LogRecord, Ending]:
    """A record and an ending of which every field was set."""
    record = {f.name: odd_value(f.name, str(f.type), n) for n, f in enumerate(dataclasses.fields(LogRecord))}
    ending = {f.name: odd_value(f.name, str(f.type), n) for n, f in enumerate(dataclasses.fields(Ending), 100)}
    return LogRecord(**record | {"id": ids_from(AT).next(), "time_us": AT + 17}), Ending(**ending)


class TestEveryFieldComesBack:
    """A field added to a door object fails here until it is stored."""

    def test_with_every_field_set(self, tmp_path: Path) -> None:
        pair = full_pair()
        with Store(tmp_path) as store:
            assert store.append([pair]) == 1
        assert [(row.record, row.ending) for row in stored_rows(tmp_path)] == [pair]

    @pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(LogRecord)])
    def test_record_field_alone(self, tmp_path: Path, name: str) -> None:
        full, _ = full_pair()
        bare = LogRecord(id=full.id, time_us=full.time_us, worker="w", revision="r")
        pair = (dataclasses.replace(bare, **{name: getattr(full, name)}), Ending(kind=EndingKind.RESPONSE))
        with Store(tmp_path) as store:
            store.append([pair])
        assert [(row.record, row.ending) for row in stored_rows(tmp_path)] == [pair]

    @pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Ending)])
    def test_ending_field_alone(self, tmp_path: Path, name: str) -> None:
        record, full = full_pair()
        pair = (record, dataclasses.replace(Ending(kind=EndingKind.RESPONSE), **{name: getattr(full, name)}))
        with Store(tmp_path) as store:
            store.append([pair])
        assert [(row.record, row.ending) for row in stored_rows(tmp_path)] == [pair]

    def test_every_field_has_one_place(self) -> None:
        for place, kind in enumerate((LogRecord, Ending)):
            folded = [name for dimension in FOLDED for name in (dimension.record, dimension.ending)[place]]
            assert sorted([*folded, *PLAIN[place]]) == sorted(field.name for field in dataclasses.fields(kind))

    def test_every_field_is_looked_at_when_a_row_is_bad(self) -> None:
        record, ending = full_pair()
        for field in dataclasses.fields(LogRecord):
            assert fault(dataclasses.replace(record, **{field.name: object()}), ending), field.name
        for field in dataclasses.fields(Ending):
            assert fault(record, dataclasses.replace(ending, **{field.name: object()})), field.name
        assert fault(record, ending) is None


HOSTILE = st.one_of(
    st.text(st.characters(codec=None), max_size=30),
    st.sampled_from(["", "\x00", "a\x00b", "\udcff\udc80", "\ud83d", "é", "💥", "x" * 7_000, "' OR 1=1 --", '"', "\\"]),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=HOSTILE, user=HOSTILE, host=HOSTILE, title=HOSTILE, term=HOSTILE, category=HOSTILE)
def test_what_a_client_sends_never_stops_the_record(
    tmp_path_factory: pytest.TempPathFactory, path: str, user: str, host: str, title: str, term: str, category: str
) -> None:
    """Lone surrogates, NULs and very long texts come back as they went in."""
    folder = tmp_path_factory.mktemp("store")
    pair = (
        request(ids_from(AT).next(), user=user, host=host, domain=host, path=path, query=path, terms=(term, path),
                category=category, categories=(category,), client_address=user, entry=host, note=title),
        ended(title=title, error=path, content_type=title),
    )  # fmt: skip
    with Store(folder) as store:
        assert store.append([pair]) == 1
        assert store.append([pair]) == 0
    assert [(row.record, row.ending) for row in stored_rows(folder)] == [pair]
    wanted = LogFilter(user=user, host=None, text=path, title=title, terms=term, category=category)
    with Archive(folder) as archive:
        archive.search(wanted)


def test_a_name_has_one_number_whether_it_is_text_or_not(tmp_path: Path) -> None:
    """Names that are no Unicode are bytes in the store: new together with texts, then looked up with them."""
    users = ["pupil-2", "\ud83d", "é", "a\x00b", '"\\', "\udcff", "pupil-1"]
    for at_us in (AT, AT + 1_000_000, AT + DAY_US):
        ids = ids_from(at_us)
        with Store(tmp_path) as store:
            assert store.append([(request(ids.next(), user=user), ended()) for user in users])
    assert [row.record.user for row in stored_rows(tmp_path)] == users * 3
    with open_catalog(tmp_path).connect() as catalog:
        found = catalog.exec_driver_sql("SELECT key, first_day, last_day FROM dim_user ORDER BY id").all()
    first, last = day_of(ids_from(AT).next()), day_of(ids_from(AT + DAY_US).next())
    keys = sorted(user.encode("utf-8", "surrogatepass") for user in users)
    assert [row.key.encode() if isinstance(row.key, str) else row.key for row in found] == keys
    assert {(row.first_day, row.last_day) for row in found} == {(first, last)}


class TestOnce:
    """However often a batch comes, each row is there once."""

    def test_again(self, tmp_path: Path) -> None:
        ids = ids_from(AT)
        batch = [(request(ids.next(), path=f"/{n}"), ended()) for n in range(50)]
        with Store(tmp_path) as store:
            assert store.append(batch, Place("w1", 50)) == 50
            assert store.append(batch[25:], Place("w1", 50)) == 0
            assert store.append([*batch, (request(ids.next()), ended())], Place("w1", 51)) == 1
            assert store.cursors() == {"w1": 51}
        assert len(stored_rows(tmp_path)) == 51

    def test_within_a_batch(self, tmp_path: Path) -> None:
        pair = (request(ids_from(AT).next()), ended())
        with Store(tmp_path) as store:
            assert store.append([pair, pair]) == 1

    def test_a_place_never_goes_back(self, tmp_path: Path) -> None:
        with Store(tmp_path) as store:
            store.append([], Place("w1", 9))
            store.append([], Place("w1", 7))
            store.append([], Place("w2", 1))
            assert store.cursors() == {"w1": 9, "w2": 1}

    def test_the_catalog_counts_what_is_there(self, tmp_path: Path) -> None:
        ids = ids_from(AT)
        with Store(tmp_path) as store:
            for _ in range(3):
                store.append([(request(ids.next()), ended()) for _ in range(10)])
        with open_catalog(tmp_path).connect() as catalog:
            row = catalog.execute(sa.select(day_file)).one()
        assert (row.day, row.rows, row.state) == (day_of(ids.next()), 30, "open")


KILLED = """
import os, signal, sys
from pathlib import Path
from logstore.store import Store
from tests.logstore.rows import batch
folder, where, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
import logstore.store
store = Store(folder)
owner = store if hasattr(store, where) else logstore.store
real = getattr(owner, where)
def die(*args, **kwargs):
    if where in ("_note", "store_batch"):
        os.kill(os.getpid(), signal.SIGKILL)
    result = real(*args, **kwargs)
    os.kill(os.getpid(), signal.SIGKILL)
    return result
setattr(owner, where, die)
from tests.logstore.test_store import Place
store.append(batch(number), Place("w1", number))
"""


@pytest.mark.parametrize("where", ["_target", "_folded", "store_batch", "_append_day", "_note", "_kept_from"])
def test_a_kill_between_any_two_steps_loses_and_doubles_nothing(tmp_path: Path, where: str) -> None:
    """A writer that dies sends its batch again; the names of rows stay the names they had."""
    from .rows import batch

    with Store(tmp_path) as store:
        store.append(batch(2), Place("w1", 20))
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), where, "60"], capture_output=True, text=True, env=dict(os.environ)
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert verify(tmp_path).problems == [], "what it had learned and not yet stored is nobody's doing"
    with Store(tmp_path) as store:
        assert store.cursors() == {"w1": 20}
        store.append(batch(60), Place("w1", 60))
        assert store.cursors() == {"w1": 60}
    assert [(row.record, row.ending) for row in stored_rows(tmp_path)] == batch(60)
    with open_catalog(tmp_path).connect() as catalog:
        assert sum(catalog.execute(sa.select(day_file.c.rows)).scalars()) == 60
        assert catalog.execute(sa.select(day_file.c.unvouched)).scalars().all() == [None]
    assert verify(tmp_path).problems == []


class TestBadRow:
    """One row that cannot be stored is named, so that the others can be."""

    @pytest.mark.parametrize(
        ("field", "value", "why"),
        [
            ("port", 1 << 70, "port does not fit 64 bits"),
            ("time_us", 1 << 70, "time_us does not fit 64 bits"),
            ("path", object(), "path is a object, not a str"),
            ("user", ["a"], "user is a list, not a str"),
            ("id", -5, "id is negative"),
            ("id", "seven", "id is a str, not a int"),
            ("terms", (b"x",), "terms holds what is a bytes, not a str"),
        ],
    )
    def test_says_which_and_why(self, tmp_path: Path, field: str, value: object, why: str) -> None:
        ids = ids_from(AT)
        good = [(request(ids.next(), path=f"/{n}"), ended()) for n in range(3)]
        bad = (dataclasses.replace(request(ids.next()), **{field: value}), ended())
        with Store(tmp_path) as store:
            with pytest.raises(BadRow, match=why) as caught:
                store.append([*good[:2], bad, good[2]], Place("w1", 4))
            assert caught.value.id == bad[0].id
            assert store.cursors() == {}
            assert store.append(good, Place("w1", 4)) >= 1
        assert [(row.record, row.ending) for row in stored_rows(tmp_path)] == good

    def test_a_reason_tells_nothing_of_the_content(self, tmp_path: Path) -> None:
        bad = (request(ids_from(AT).next(), path=b"/secret"), ended())  # type: ignore[arg-type]
        with Store(tmp_path) as store, pytest.raises(BadRow) as caught:
            store.append([bad, (bad[0], object())])  # type: ignore[list-item]
        assert "secret" not in str(caught.value)

    def test_names_stay_right_after_one(self, tmp_path: Path) -> None:
        """A name learned in a batch that failed is learned again, not remembered with a number that was given back."""
        ids = ids_from(AT)
        first, second = request(ids.next(), user="pupil-0001"), request(ids.next(), user="pupil-0002")
        with Store(tmp_path) as store:
            with pytest.raises(BadRow):
                store.append([(first, ended()), (dataclasses.replace(second, groups=[[]]), ended())])  # type: ignore[arg-type]
            store.append([(second, ended())])
            store.append([(first, ended())])
        assert [row.record.user for row in stored_rows(tmp_path)] == ["pupil-0001", "pupil-0002"]


class TestDays:
    """Each UTC day has its file; closed days stay closed."""

    def test_midnight_parts_them(self, tmp_path: Path) -> None:
        before = ids_from(AT - AT % DAY_US + DAY_US - 1000).next()
        after = ids_from(AT - AT % DAY_US + DAY_US).next()
        with Store(tmp_path) as store:
            store.append([(request(after), ended()), (request(before), ended())])
        assert [path.name for path in sorted(days_folder(tmp_path).glob("*.db"))] == [
            f"{day_of(before)}.db",
            f"{day_of(after)}.db",
        ]
        assert [row.id for row in stored_rows(tmp_path)] == [before, after]

    def test_late_rows_of_a_sealed_day_go_beside_it(self, tmp_path: Path) -> None:
        ids = ids_from(AT)
        early = [(request(ids.next(), path=f"/{n}"), ended()) for n in range(4)]
        late = [(request(ids.next(), path=f"/late{n}"), ended()) for n in range(2)]
        with Store(tmp_path) as store:
            store.append(early[::2])
        with Store(tmp_path) as store:
            with open_catalog(tmp_path).begin() as catalog:
                catalog.execute(day_file.update().values(state="sealed"))
            sealed = days_folder(tmp_path) / f"{day_of(early[0][0].id)}.db"
            content = sealed.read_bytes()
            assert store.append([*early, *late]) == 4
            assert store.append([*early, *late]) == 0
        assert sealed.read_bytes() == content
        assert (days_folder(tmp_path) / f"{day_of(early[0][0].id)}.late1.db").exists()
        assert [(row.record, row.ending) for row in stored_rows(tmp_path)] == [*early, *late]

    def test_rows_too_old_to_keep_are_counted_not_stored(self, tmp_path: Path) -> None:
        old, new = ids_from(AT - 200 * DAY_US).next(), ids_from(AT).next()
        with Store(tmp_path) as store:
            with open_catalog(tmp_path).begin() as catalog:
                catalog.execute(
                    retention_run.insert().values(
                        started_us=AT, cutoff_us=AT, kept_from=day_of(new), months=6, timezone="Europe/London"
                    )
                )
            assert store.append([(request(old), ended()), (request(new), ended())], Place("w1", 2)) == 1
            assert store.refused == 1
            assert store.cursors() == {"w1": 2}
        assert [row.id for row in stored_rows(tmp_path)] == [new]
        assert not (days_folder(tmp_path) / f"{day_of(old)}.db").exists()
        with open_catalog(tmp_path).connect() as catalog:
            assert catalog.execute(
                sa.select(day_file.c.refused).where(day_file.c.day == day_of(old))
            ).scalars().all() == [1]


def test_two_writers_take_turns(tmp_path: Path) -> None:
    """Several gateways may ship into one store; each learns the names the other made."""
    ids = ids_from(AT)
    with Store(tmp_path) as one, Store(tmp_path) as two:
        for turn in range(6):
            (one, two)[turn % 2].append([(request(ids.next(), user=f"pupil-{turn % 3:04}"), ended())])
    assert [row.record.user for row in stored_rows(tmp_path)] == [f"pupil-{turn % 3:04}" for turn in range(6)]
    assert count(tmp_path, LogFilter(user="pupil-0001")).rows == 2


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    """Browsing is nobody's business: the files belong to the gateway's user alone."""
    folder = tmp_path / "store"
    with Store(folder) as store:
        store.append([(request(ids_from(AT).next()), ended())])
        for path in [folder, *folder.rglob("*")]:
            assert path.stat().st_mode & 0o077 == 0, path


def test_the_epoch_of_ids_is_the_first_day() -> None:
    assert day_of(0) == "2025-01-01"
    assert day_of(ids_from(EPOCH_US + DAY_US).next()) == "2025-01-02"
