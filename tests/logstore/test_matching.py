"""A filter without a database says the same as a search of the store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from logstore.filter import LogFilter
from logstore.matching import matches
from logstore.query import Archive
from logstore.record import EndingKind
from logstore.store import Store

from .rows import AT, ended, ids_from, request

NOON = datetime.fromtimestamp(AT / 1e6, UTC)
FILTERS: list[dict[str, Any]] = [
    {},
    {"user": "pupil-1"},
    {"user": "PUPIL-1"},
    {"device": "pad-7"},
    {"client_address": "10.0.0.9"},
    {"site": "elm"},
    {"band": "ks3"},
    {"group": "year-9"},
    {"group": "year"},
    {"host": "WWW.Example.org."},
    {"domain": "example.org"},
    {"domain": "*.example.org"},
    {"domain": "ample.org"},
    {"category": "games"},
    {"category": "chat"},
    {"list": "ut1/games"},
    {"rule": "site:2"},
    {"rule": "site:9"},
    {"tier": "SITE"},
    {"action": "block"},
    {"reason": "content"},
    {"blocked": True},
    {"blocked": False},
    {"page": True},
    {"terms": "HARM"},
    {"terms": "É"},
    {"title": "100%"},
    {"without": (("user", "pupil-1"),)},
    {"without": (("category", "games"), ("domain", "example.org"), ("band", "ks3"))},
    {"site": "elm", "without": (("device", "pad-7"), ("group", "year-9"))},
    {"title": "_"},
    {"text": "deep/PATH?q=1"},
    {"text": "https://www.example.org/deep"},
    {"text": "example.org"},
    {"since": NOON + timedelta(seconds=2)},
    {"until": NOON + timedelta(seconds=2)},
    {"since": NOON + timedelta(seconds=1), "until": NOON + timedelta(seconds=3), "user": "pupil-1"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matching")
    ids = ids_from(AT, 1_000_000)
    rows = [
        (request(ids.next(), user="pupil-1", path="/deep/path", query="q=1", page=True), ended(title="100% of it")),
        (request(ids.next(), user="pupil-1", site="elm", band="ks3", groups=("year-9",), device="pad-7"), ended()),
        (request(ids.next(), user=None, client_address="10.0.0.9", host="example.org", path=None), ended()),
        (
            request(
                ids.next(), host="cdn.example.org", category="games", categories=("games", "chat"), list="ut1/games",
                rule="site:2", tier="SITE", action="block", blocked=True, reason="rule", terms=("self harm", "café É"),
            ),
            ended(EndingKind.BLOCKED, status=403),
        ),
        (
            request(ids.next(), host="sample.org", categories=("news",), category="news", rule="site:2", tier="SITE"),
            ended(action="block", blocked=True, reason="content", rule="site:9", category="chat", page=True),
        ),
    ]  # fmt: skip
    with Store(folder) as store:
        store.append(rows)
    return folder


@pytest.mark.parametrize("fields", FILTERS, ids=str)
def test_the_same_rows_as_the_store_finds(folder: Path, fields: dict[str, Any]) -> None:
    wanted = LogFilter(**fields)
    with Archive(folder) as archive:
        everything = list(archive.walk(LogFilter()))
        found = list(archive.walk(wanted))
    assert [row for row in everything if matches(wanted, row)] == found


def test_by_id(folder: Path) -> None:
    with Archive(folder) as archive:
        rows = list(archive.walk(LogFilter()))
    assert [row for row in rows if matches(LogFilter(id=rows[2].id), row)] == [rows[2]]
