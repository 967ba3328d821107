"""What is remembered of statutory lists is read whole or not at all, and every copy is verified by whoever opens it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from proxy.statutory_state import (
    STATE,
    Standing,
    State,
    StatutoryError,
    folder_of,
    open_standing,
    read_state,
    state_text,
)
from tests.categories.statutory_rig import NOW
from tests.policy.lists import PlainIndex
from tests.proxy.statutory_office import Office, blocked


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with both lists in force."""
    made = Office(tmp_path)
    made.put_all()
    made.look()
    return made


def test_what_is_written_is_what_is_read(office: Office) -> None:
    state = office.keeper.standing.state
    assert read_state(folder_of(office.data)) == state
    assert json.loads(state_text(state))["sources"][0]["name"] == "iwf"


def test_nothing_remembered_is_an_empty_standing(tmp_path: Path) -> None:
    assert read_state(tmp_path) is None
    standing = open_standing(tmp_path)
    assert standing == Standing()
    index = PlainIndex({})
    assert standing.over(index) is index
    assert standing.closes_at is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format": 2}', '{"format": 1}', "\udcff"])
def test_a_state_that_is_not_whole_is_refused_with_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / STATE).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(StatutoryError, match="stop the gateway"):
        read_state(tmp_path)


def test_a_worker_opens_what_the_supervisor_put_in_force(office: Office) -> None:
    standing = open_standing(office.data)
    assert standing.served_at(NOW) == office.keeper.standing.served_at(NOW)
    assert blocked(standing, "iwf")


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "older"])
def test_a_worker_does_not_open_a_copy_that_was_changed(office: Office, damage: str) -> None:
    copy = office.copies[0]
    raw = copy.read_bytes()
    if damage == "gone":
        copy.unlink()
    elif damage == "older":
        copy.write_bytes(office.issuers["iwf"].issue(["harmless.test"]))
    else:
        copy.write_bytes(raw[:-1] if damage == "cut" else raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(StatutoryError, match="tampered"):
        open_standing(office.data)
    lenient = open_standing(office.data, strict=False)
    assert len(lenient.bundles) == 1
    assert "tampered" in " ".join(lenient.problems(NOW))


def test_a_key_written_into_the_state_opens_no_foreign_copy(office: Office) -> None:
    """The checksum of what was accepted stands beside the key, and the signature must fit the key."""
    file = folder_of(office.data) / STATE
    said = json.loads(file.read_text())
    said["sources"][0]["public_key"] = office.issuers["ctiru"].key
    file.write_text(json.dumps(said))
    with pytest.raises(StatutoryError, match="unknown key"):
        open_standing(office.data)


def test_two_standings_are_served_alike_until_lists_or_closing_differ(office: Office) -> None:
    first = office.keeper.standing
    again = office.look(NOW + timedelta(minutes=5))
    assert first.served_at(NOW) == again.served_at(NOW)
    office.put("iwf", 2)
    assert office.look().served_at(NOW) != first.served_at(NOW)
    stopping = office.look(settings=office.settings(when_missing="stop"))
    day = NOW + timedelta(hours=24)
    assert stopping.served_at(NOW) != stopping.served_at(day), "what is open is cut the moment everything closes"


def test_a_gateway_that_stops_without_lists_stops_when_nothing_is_configured(tmp_path: Path) -> None:
    standing = Standing(State(when_missing="stop"))
    assert standing.closes_at is not None
    assert standing.closes_at < NOW
