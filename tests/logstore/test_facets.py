"""The names to search by are those that were recorded, without reading a row."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import Connection

from logstore.db import days_folder, reading
from logstore.facets import Facet, Kind, facets, last_days
from logstore.store import Store

from .rows import AT, ended, ids_from, request

TODAY, TOMORROW = "2026-11-21", "2026-11-22"


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    """A record of two days whose day files are away."""
    folder = tmp_path_factory.mktemp("store")
    ids = ids_from(AT, 86_400_000_000)
    with Store(folder) as store:
        store.append(
            [
                (
                    request(
                        ids.next(), user="Pupil-0417", device="lab2-14", groups=("year-4", "chess"),
                        category="games", categories=("games",), rule="ks2-games", action="block",
                        blocked=True, reason="rule", tier="site", list="starter/games",
                        host="play.games.example", domain="games.example",
                    ),
                    ended(),
                ),
                (
                    request(
                        ids.next(), user="pupil_0418", groups=("year-4",), site="beech", band=None,
                        host="new.example", domain="new.example", categories=("games", "chat"),
                    ),
                    ended(),
                ),
            ]
        )  # fmt: skip
    for path in days_folder(folder).glob("*"):
        path.unlink()
    with reading(folder) as opened:
        yield opened


def names(catalog: Connection, kind: Kind, begins: str = "") -> list[str]:
    """Only the names."""
    return [facet.name for facet in facets(catalog, kind, begins)]


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("site", ["beech", "oakwood"]), ("band", ["ks2"]), ("group", ["chess", "year-4"]),
        ("category", ["chat", "games"]), ("list", ["starter/games"]), ("rule", ["ks2-games"]),
        ("action", ["allow", "block"]), ("tier", ["site"]), ("user", ["Pupil-0417", "pupil_0418"]),
        ("device", ["lab2-14"]), ("address", ["10.4.2.17"]), ("host", ["new.example", "play.games.example"]),
        ("domain", ["games.example", "new.example"]), ("reason", ["default", "rule"]),
    ],
)  # fmt: skip
def test_every_kind_of_name(catalog: Connection, kind: Kind, found: list[str]) -> None:
    assert names(catalog, kind) == found


def test_how_a_name_begins_in_either_case(catalog: Connection) -> None:
    assert names(catalog, "user", "PUPIL-") == ["Pupil-0417"]
    assert names(catalog, "user", "pupil_") == ["pupil_0418"]
    assert names(catalog, "host", "play") == ["play.games.example"]
    assert names(catalog, "group", "Y") == ["year-4"]
    assert names(catalog, "host", "%") == []


def test_names_say_when_they_were_used(catalog: Connection) -> None:
    assert facets(catalog, "category") == (Facet("chat", TOMORROW, TOMORROW), Facet("games", TODAY, TOMORROW))
    assert facets(catalog, "host", until=date(2026, 11, 21)) == (Facet("play.games.example", TODAY, TODAY),)
    assert facets(catalog, "site", since=date(2026, 11, 22)) == (Facet("beech", TOMORROW, TOMORROW),)
    assert facets(catalog, "category", limit=1) == (Facet("chat", TOMORROW, TOMORROW),)


def test_the_last_day_of_some_names(catalog: Connection) -> None:
    """Exactly these names; who does not occur is left out."""
    found = last_days(catalog, "user", ["Pupil-0417", "pupil_0418", "pupil-0417", "nobody"])
    assert found == {"Pupil-0417": TODAY, "pupil_0418": TOMORROW}
    assert last_days(catalog, "device", []) == {}
