"""Settling a request: what is made and the decision stand or fall together; the queue in pages."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from categories.taxonomy import load_taxonomy
from policy.client import Band
from policy.model import Action
from policy.overrides import Override
from registry import entries, overrides, requests
from registry.change import By, RegistryError
from registry.settling import EntryWanted, Settlement, asked_again, settle, subject_of
from tests.registry.conftest import AT
from tests.registry.test_requests import FACT

HEAD = By("head", AT, "a chess club")
OPEN = Override(0, Action.ALLOW, "host:chess.example", band=Band.KS3)


def test_an_override_and_its_decision_are_one(connection: Connection) -> None:
    requests.file_all(connection, [FACT])
    told = {"categories": load_taxonomy(), "reserved": {}}
    decided = settle(connection, 1, Settlement("allowed", " Enjoy. ", OPEN), HEAD, **told)
    assert (decided.made, decided.answer) == ("override-1", "it is open now. Enjoy.")
    savepoint = connection.begin_nested()
    with pytest.raises(RegistryError, match="decided already"):
        settle(connection, 1, Settlement("allowed", "", OPEN), HEAD, **told)
    savepoint.rollback()
    assert len(overrides.decisions(connection)) == 1


def test_an_entry_comes_of_it_or_nothing_does(connection: Connection) -> None:
    requests.file_all(connection, [FACT, {**FACT, "mark": "m2"}])
    told = {"categories": load_taxonomy(), "reserved": {}}
    wanted = Settlement("allowed", "", None, EntryWanted("games", "chess.example"))
    assert settle(connection, 1, wanted, HEAD, **told).made == "entry 1 in games"
    assert settle(connection, 2, Settlement("no-change"), HEAD, **told).made is None
    assert [one.entry.value for one in entries.made(connection)] == ["chess.example"]


def test_asked_again_as_the_band_that_asked_else_the_strictest(connection: Connection) -> None:
    requests.file_all(connection, [FACT, {**FACT, "mark": "m2", "band": "?"}, {**FACT, "mark": "m3", "url": "no..url"}])
    first, second, third = requests.requests(connection)
    again = asked_again(first)
    assert again is not None
    assert (again[0].url.host, again[1].band, again[1].user) == ("chess.example", Band.KS3, "pupil-0417")
    unknown = asked_again(second)
    assert unknown is not None
    assert not unknown[1].band_known
    assert asked_again(third) is None
    assert (subject_of(first, whole_host=True), subject_of(first, whole_host=False)) == ("chess.example", FACT["url"])


def test_the_queue_comes_in_pages_at_one_site_or_all(connection: Connection) -> None:
    facts = [{**FACT, "mark": f"m{n}", "site": "oakwood" if n % 2 else None} for n in range(1, 7)]
    requests.file_all(connection, facts)
    requests.decide(connection, 3, "blocked", HEAD, answer="")
    requests.decide(connection, 5, "blocked", HEAD, answer="")
    pages = [[one.id for one in requests.queue(connection, limit=2, past=past)] for past in (None, 2, 6)]
    assert pages == [[1, 2], [4, 6], []]
    assert [one.id for one in requests.queue(connection, decided=True)] == [5, 3]
    assert [one.id for one in requests.queue(connection, decided=True, past=5)] == [3]
    assert [one.id for one in requests.queue(connection, site="oakwood")] == [1]
    assert (requests.waiting(connection), requests.waiting(connection, "oakwood")) == (4, 1)
    assert [one.id for one in requests.filed_by(connection, "pupil-0417", 2)] == [6, 5]
