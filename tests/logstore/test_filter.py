"""What somebody looks for, said once: the sentence and the rows agree."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from logstore.filter import FIELDS, LONGEST, LogFilter
from logstore.query import Archive
from logstore.record import Ending, EndingKind, LogRecord
from logstore.rows import Row
from logstore.store import Store

from .rows import AT, ended, ids_from, request

LONDON = ZoneInfo("Europe/London")
TEN_FIVE = datetime(2026, 11, 21, 10, 5, tzinfo=UTC)
NOW = TEN_FIVE + timedelta(hours=1)


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        (LogFilter(), "requests"),
        (LogFilter(blocked=True, user="pupil-0417", site="oakwood", since=TEN_FIVE),
         "blocked requests of pupil-0417 at oakwood since 10:05"),
        (LogFilter(blocked=False, page=True), "allowed pages"),
        (LogFilter(until=TEN_FIVE), "requests until 10:05"),
        (LogFilter(since=TEN_FIVE - timedelta(days=9), until=TEN_FIVE),
         "requests since 12 November 2026 10:05 until 10:05"),
        (LogFilter(since=TEN_FIVE + timedelta(seconds=7)), "requests since 10:05:07"),
        (LogFilter(domain="example.org", category="games"), "requests to example.org and below in category games"),
        (LogFilter(host="www.example.org", device="lab2-14"), "requests from lab2-14 to www.example.org"),
        (LogFilter(client_address="10.4.2.17", band="ks2", group="year-4"),
         "requests by band ks2 by group year-4 from address 10.4.2.17"),
        (LogFilter(terms="how to", title="Games", text="/play"),
         "requests searching for “how to” titled “Games” with “/play” in the URL"),
        (LogFilter(action="warn", reason="schedule", rule="ks2-games", tier="site", list="starter/games"),
         "requests on list starter/games with action warn with reason schedule by rule ks2-games by tier site"),
        (LogFilter(id=77), "requests with record id 77"),
        (LogFilter(site="oakwood", since=TEN_FIVE, without=(("user", "pupil-0417"), ("category", "games"))),
         "requests at oakwood since 10:05, not of pupil-0417, not in category games"),
    ],
)  # fmt: skip
def test_the_sentence(wanted: LogFilter, sentence: str) -> None:
    assert wanted.sentence(NOW) == sentence


def test_times_are_said_in_the_school_s_zone() -> None:
    summer = datetime(2026, 7, 1, 8, 30, tzinfo=UTC)
    assert LogFilter(since=summer).sentence(NOW, LONDON) == "requests since 1 July 2026 09:30"


def test_every_field_is_said() -> None:
    """A field that is searched and not said would make the page say something else than it shows."""
    for name in FIELDS:
        value: Any = {
            "since": TEN_FIVE,
            "until": TEN_FIVE,
            "blocked": True,
            "page": True,
            "id": 7,
            "without": (("user", "thing"),),
        }.get(name, "thing")
        assert LogFilter(**{name: value}).sentence(NOW) != LogFilter().sentence(NOW), name


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="since has no time zone"):
        LogFilter(since=datetime(2026, 11, 21))


def test_only_what_has_names_is_left_out() -> None:
    with pytest.raises(ValueError, match="cannot be left out by 'title'"):
        LogFilter(without=(("title", "x"),))


def test_a_text_too_long_to_look_for_is_refused() -> None:
    with pytest.raises(ValueError, match=r"text has 8,001 characters; at most 8,000"):
        LogFilter(text="x" * (LONGEST + 1))


ROWS: tuple[tuple[dict[str, Any], Ending], ...] = (
    ({"user": "pupil-0417", "path": "/a/b", "query": "q=owls", "terms": ("owls at night",), "page": True},
     ended(title="Owls – a guide")),
    ({"user": "pupil-0418", "site": "beech", "band": "ks4", "groups": ("year-10", "esports")}, ended()),
    ({"user": "pupil-0417", "host": "play.games.example", "domain": "games.example", "action": "block",
      "blocked": True, "reason": "rule", "tier": "site", "rule": "ks2-games", "category": "games",
      "categories": ("games", "chat"), "list": "starter/games", "entry": "games.example"},
     ended(EndingKind.BLOCKED, status=403)),
    ({"user": None, "device": "lab2-14", "client_address": "10.9.9.9", "host": "games.example"},
     ended()),
    ({"user": "teacher-1", "band": "staff", "groups": (), "host": "notgames.example", "path": "/100%_sure\\x"},
     ended()),
    ({"user": "pupil-0419", "category": None},
     ended(action="block", blocked=True, reason="phrases", rule="no-gore", category="gore", stage="response",
           page=True)),
    ({"user": None, "host": "2001:db8::1", "path": None, "scheme": "https"}, ended(EndingKind.BYPASSED, status=None)),
    ({"user": "pupil-0417", "host": "quoted.example", "terms": ('say "hello" \\ Ärger',), "query": ""},
     ended()),
    ({"user": "pupil-0420", "action": "warn", "reason": "rule", "rule": "warn-chat", "host": "chat.example",
      "categories": ("chat",)}, ended(EndingKind.BLOCKED)),
)  # fmt: skip


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    folder = tmp_path_factory.mktemp("store")
    ids = ids_from(AT, 60_000_000)
    with Store(folder) as store:
        store.append([(request(ids.next(), **fields), ending) for fields, ending in ROWS])
    with Archive(folder) as opened:
        yield opened


def found(archive: Archive, wanted: LogFilter) -> list[int]:
    """Numbers of the rows found, in the order of `ROWS`."""
    first = ids_from(AT, 60_000_000)
    numbers = {first.next(): number for number in range(len(ROWS))}
    return sorted(numbers[row.id] for row in archive.search(wanted).rows)


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (LogFilter(user="pupil-0417"), [0, 2, 7]),
        (LogFilter(user="pupil-04"), []),
        (LogFilter(without=(("user", "pupil-0417"),)), [1, 3, 4, 5, 6, 8]),
        (LogFilter(without=(("user", "pupil-0417"), ("user", "teacher-1"), ("device", "lab2-14"))), [1, 5, 6, 8]),
        (LogFilter(user="pupil-0417", without=(("category", "chat"),)), [0, 7]),
        (LogFilter(domain="example", without=(("domain", "games.example"), ("action", "warn"))), [4, 7]),
        (LogFilter(without=(("user", "nobody"), ("list", "no/such"))), [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (LogFilter(user="pupil-0417", without=(("user", "pupil-0417"),)), []),
        (LogFilter(user="PUPIL-0417"), []),
        (LogFilter(device="lab2-14"), [3]),
        (LogFilter(client_address="10.9.9.9"), [3]),
        (LogFilter(site="beech"), [1]),
        (LogFilter(band="staff"), [4]),
        (LogFilter(group="esports"), [1]),
        (LogFilter(group="year"), []),
        (LogFilter(host="games.example"), [3]),
        (LogFilter(host="GAMES.example."), [3]),
        (LogFilter(domain="games.example"), [2, 3]),
        (LogFilter(domain="example"), [2, 3, 4, 7, 8]),
        (LogFilter(domain="ames.example"), []),
        (LogFilter(host="2001:db8::1"), [6]),
        (LogFilter(category="games"), [2]),
        (LogFilter(category="chat"), [2, 8]),
        (LogFilter(category="gore"), [5]),
        (LogFilter(list="starter/games"), [2]),
        (LogFilter(rule="ks2-games"), [2]),
        (LogFilter(rule="no-gore"), [5]),
        (LogFilter(tier="site"), [2]),
        (LogFilter(action="block"), [2, 5]),
        (LogFilter(action="warn"), [8]),
        (LogFilter(reason="phrases"), [5]),
        (LogFilter(blocked=True), [2, 5]),
        (LogFilter(blocked=False), [0, 1, 3, 4, 6, 7, 8]),
        (LogFilter(blocked=True, user="pupil-0417"), [2]),
        (LogFilter(blocked=True, domain="games.example", site="oakwood"), [2]),
        (LogFilter(page=True), [0, 5]),
        (LogFilter(terms="OWLS"), [0]),
        (LogFilter(terms='"hello" \\ '), [7]),
        (LogFilter(terms="Ärger"), [7]),
        (LogFilter(terms="owls", user="pupil-0418"), []),
        (LogFilter(title="guide"), [0]),
        (LogFilter(title="– a"), [0]),
        (LogFilter(text="/a/b?q="), [0]),
        (LogFilter(text="/b?q=o%"), []),
        (LogFilter(text="100%_sure\\"), [4]),
        (LogFilter(text="notgames.example/100%"), [4]),
        (LogFilter(text="https://games.example/"), [2, 3, 4]),
        (LogFilter(text="play.games"), [2]),
        (LogFilter(text="games"), [2, 3, 4]),
        (LogFilter(text="quoted.example/?"), [7]),
        (LogFilter(text="2001:db8"), [6]),
        (LogFilter(user="nobody"), []),
        (LogFilter(host="nowhere.example"), []),
        (LogFilter(category="nothing"), []),
        (LogFilter(site="nowhere"), []),
        (LogFilter(since=TEN_FIVE + timedelta(minutes=3)), [3, 4, 5, 6, 7, 8]),
        (LogFilter(until=TEN_FIVE + timedelta(minutes=3)), [0, 1, 2]),
        (LogFilter(since=TEN_FIVE + timedelta(minutes=1), until=TEN_FIVE + timedelta(minutes=2)), [1]),
        (LogFilter(since=TEN_FIVE + timedelta(days=1)), []),
        (LogFilter(until=TEN_FIVE - timedelta(days=1)), []),
        (LogFilter(since=TEN_FIVE, until=TEN_FIVE), []),
    ],
    ids=lambda value: value.sentence() if isinstance(value, LogFilter) else "",
)  # fmt: skip
def test_which_rows(archive: Archive, wanted: LogFilter, rows: list[int]) -> None:
    assert found(archive, wanted) == rows
    assert archive.count(wanted).rows == len(rows)


PLAIN: dict[str, Callable[[Row, Any], bool]] = {
    "user": lambda row, value: row.record.user == value,
    "device": lambda row, value: row.record.device == value,
    "client_address": lambda row, value: row.record.client_address == value,
    "site": lambda row, value: row.record.site == value,
    "band": lambda row, value: row.record.band == value,
    "group": lambda row, value: value in row.record.groups,
    "host": lambda row, value: row.record.host == value,
    "domain": lambda row, value: row.record.host == value or row.record.host.endswith("." + value),
    "category": lambda row, value: value in row.record.categories or row.category == value,
    "list": lambda row, value: row.record.list == value,
    "rule": lambda row, value: row.rule == value,
    "tier": lambda row, value: row.record.tier == value,
    "action": lambda row, value: row.action == value,
    "reason": lambda row, value: row.reason == value,
    "blocked": lambda row, value: row.blocked is value,
    "page": lambda row, value: row.page is value,
    "id": lambda row, value: row.id == value,
}
"""What each exact field means, said plainly in Python."""


def test_the_sql_and_plain_python_agree_on_every_value_there_is(archive: Archive) -> None:
    """Each value each field has in any row, alone and with each user, gives the rows plain Python picks."""
    everything = archive.search(LogFilter(), 1000).rows
    assert len(everything) == len(ROWS)
    values: dict[str, set[Any]] = {name: set() for name in PLAIN}
    for row in everything:
        for name in ("user", "device", "client_address", "site", "band", "host"):
            values[name].add(getattr(row.record, name))
        values["domain"] |= {row.record.host, row.record.domain}
        values["group"] |= set(row.record.groups)
        values["category"] |= {*row.record.categories, row.category}
        for name in ("list", "tier"):
            values[name].add(getattr(row.record, name))
        for name in ("rule", "action", "reason", "blocked", "id"):
            values[name].add(getattr(row, name))
    values["page"] = {True}
    for name, every in values.items():
        for value in every - {None}:
            for user in [None, *values["user"]]:
                more = {} if user is None or name == "user" else {"user": user}
                wanted = LogFilter(**{name: value, **more})
                plain = [r.id for r in everything if all(PLAIN[k](r, v) for k, v in {name: value, **more}.items())]
                assert [row.id for row in archive.search(wanted, 1000).rows] == plain, wanted


def test_the_last_word_is_what_is_searched_and_both_are_kept(archive: Archive) -> None:
    row = archive.search(LogFilter(rule="no-gore")).rows[0]
    assert (row.action, row.blocked, row.reason, row.category, row.stage) == (
        "block",
        True,
        "phrases",
        "gore",
        "response",
    )
    assert (row.record.action, row.record.blocked, row.record.stage) == ("allow", False, "request")


def test_a_filter_names_a_person_only_by_name() -> None:
    assert LogFilter(user="pupil-0417").names_a_person
    assert not LogFilter(site="oakwood").names_a_person


def test_every_exact_field_has_a_plain_meaning_here() -> None:
    inexact = {"since", "until", "terms", "title", "text", "without"}
    assert set(PLAIN) | inexact == {field.name for field in dataclasses.fields(LogFilter)}


def test_record_fields_used_here_exist() -> None:
    names = {field.name for field in dataclasses.fields(LogRecord)}
    assert {name for fields, _ in ROWS for name in fields} <= names
