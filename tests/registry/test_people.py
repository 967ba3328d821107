"""Accounts are given, changed, withdrawn and given back; every change is one transaction with one audit line.

Shows: `registry.change`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine

from registry import people
from registry.change import By, RegistryError, revision_number
from registry.people import Account, Details
from tests.registry.conftest import AT, HASH, OFFICE, trail

YEAR4 = Details("Year 4 pupil", "ks2", frozenset({"year-4"}), "oakwood")


def test_there_are_no_default_accounts(connection: Connection) -> None:
    """A fresh register is empty: nobody can sign in with a password from a manual."""
    assert people.accounts(connection) == []
    assert revision_number(connection) == 0


def test_somebody_new(connection: Connection) -> None:
    """The register says who, which band and groups, granted by whom and when (B-15)."""
    account = people.add(connection, "Pupil-0417", YEAR4, OFFICE, password=HASH)
    assert account.person.name == "pupil-0417"
    assert account.details == YEAR4
    assert (account.granted_by, account.granted_at, account.status(AT)) == ("office", AT, "active")
    assert people.accounts(connection) == [account]
    assert people.get(connection, "PUPIL-0417") == account


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda c: people.disable(c, "pupil-0417", OFFICE), "disabled"),
        (lambda c: people.suspend(c, "pupil-0417", AT + timedelta(days=3), OFFICE), "suspended"),
        (lambda c: people.set_consent(c, "pupil-0417", False, OFFICE), "no-consent"),
        (lambda c: people.remove(c, "pupil-0417", OFFICE), "left"),
    ],
    ids=["disabled", "suspended", "consent withdrawn", "left"],
)
def test_access_withdrawn_and_given_back(
    connection: Connection, change: Callable[[Connection], Account], status: str
) -> None:
    """Each way of losing access shows as its own status, and can be undone."""
    people.add(connection, "pupil-0417", YEAR4, OFFICE, password=HASH)
    assert change(connection).status(AT) == status
    people.enable(connection, "pupil-0417", OFFICE)
    assert people.set_consent(connection, "pupil-0417", True, OFFICE).status(AT) == "active"


def test_a_suspension_ends_by_itself(connection: Connection) -> None:
    """After its time the same account is active, with nobody doing anything (B-65)."""
    people.add(connection, "pupil-0417", YEAR4, OFFICE)
    account = people.suspend(connection, "pupil-0417", AT + timedelta(days=3), OFFICE)
    assert account.status(AT + timedelta(days=2, hours=23)) == "suspended"
    assert account.status(AT + timedelta(days=3)) == "active"


def test_a_leaver_keeps_the_name_and_loses_the_password(connection: Connection) -> None:
    """The line stays for the record; the way in is gone, also after coming back (B-21)."""
    people.add(connection, "leaver", YEAR4, OFFICE, password=HASH)
    account = people.remove(connection, "leaver", OFFICE)
    assert account.left_at == AT
    assert account.person.password_hash is None
    assert people.accounts(connection, left=False) == []
    assert people.enable(connection, "leaver", OFFICE).person.password_hash is None


def refused(change: Callable[[], object]) -> str:
    with pytest.raises(RegistryError) as refusal:
        change()
    return str(refusal.value)


def test_a_name_is_given_once(connection: Connection) -> None:
    """A second person of the name is refused in any spelling, and so is the name of somebody who left (B-16)."""
    people.add(connection, "pupil-0417", YEAR4, OFFICE)
    assert "such an account already" in refused(lambda: people.add(connection, "PUPIL-0417", YEAR4, OFFICE))
    people.remove(connection, "pupil-0417", OFFICE)
    assert "left on 17 November 2026" in refused(lambda: people.add(connection, "pupil-0417", YEAR4, OFFICE))


@pytest.mark.parametrize(
    "change",
    [
        lambda c: people.disable(c, "leaver", OFFICE),
        lambda c: people.suspend(c, "leaver", AT + timedelta(days=1), OFFICE),
        lambda c: people.set_password(c, "leaver", HASH, OFFICE),
        lambda c: people.set_consent(c, "leaver", True, OFFICE),
        lambda c: people.remove(c, "leaver", OFFICE),
    ],
)
def test_a_leaver_is_not_changed(connection: Connection, change: Callable[[Connection], Account]) -> None:
    """Whoever gives a leaver a password by mistake is told."""
    people.add(connection, "leaver", YEAR4, OFFICE)
    people.remove(connection, "leaver", OFFICE)
    assert "left on" in refused(lambda: change(connection))


def test_every_problem_at_once_with_advice(connection: Connection) -> None:
    """One answer names everything that is wrong and what would have been right."""
    details = Details("=cmd|' /C calc'!A0", "ks22", frozenset({"Year 4", "ok"}), "Oak Wood")
    said = refused(lambda: people.add(connection, "pupil: 1", details, OFFICE))
    for part in ("pupil: 1", "formula", "did you mean 'ks2'?", "'Year 4'", "'Oak Wood'"):
        assert part in said
    assert said.count("\n") == 4


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a:b", "=1+1", "@home", "+44", "-x", "x" * 65, "a\tb", "a\x00b", "_x", ".x", "tea/cher"]
)
def test_names_that_are_none(connection: Connection, name: str) -> None:
    """Blanks, colons, signs in front, control characters and endless names are refused."""
    assert "no account name" in refused(lambda: people.add(connection, name, YEAR4, OFFICE))


@pytest.mark.parametrize(
    "name", ["pupil-0417", "o'neill.p", "zoë", "a.teacher@oakwood.example", "7b-tablet", "class3b"]
)
def test_names_that_are_fine(connection: Connection, name: str) -> None:
    """What schools write is taken."""
    assert people.add(connection, name, YEAR4, OFFICE).person.name == name


def test_an_unknown_name_gets_the_nearest(connection: Connection) -> None:
    """A slip of the finger is answered with the name that was meant."""
    people.add(connection, "pupil-0417", YEAR4, OFFICE)
    assert "did you mean 'pupil-0417'?" in refused(lambda: people.disable(connection, "pupil-0471", OFFICE))


def test_a_suspension_ends_in_the_future(connection: Connection) -> None:
    """A time that has passed is a mistake."""
    people.add(connection, "pupil-0417", YEAR4, OFFICE)
    assert "not in the future" in refused(lambda: people.suspend(connection, "pupil-0417", AT, OFFICE))


def test_the_trail_says_who_changed_what(connection: Connection) -> None:
    """One line a change, with before and after of what changed, and nothing secret in it."""
    people.add(connection, "pupil-0417", YEAR4, OFFICE, password=HASH)
    people.set_band(connection, "pupil-0417", "ks3", By("head", AT))
    people.set_groups(connection, "pupil-0417", {"year-7"}, By("head", AT))
    people.set_password(connection, "pupil-0417", HASH, By("ict", AT))
    people.disable(connection, "pupil-0417", By("ict", AT, "phone in lesson"))
    people.disable(connection, "pupil-0417", By("ict", AT, "again"))
    people.remove(connection, "pupil-0417", OFFICE)
    lines = trail(connection)
    assert [line[:3] for line in lines] == [
        ("office", "person.add", "pupil-0417"),
        ("head", "person.change", "pupil-0417"),
        ("head", "person.change", "pupil-0417"),
        ("ict", "person.password", "pupil-0417"),
        ("ict", "person.disable", "pupil-0417"),
        ("office", "person.leave", "pupil-0417"),
    ]
    assert lines[1][3:] == ({"band": "ks2"}, {"band": "ks3"})
    assert lines[2][3:] == ({"groups": ["year-4"]}, {"groups": ["year-7"]})
    assert lines[4][3:] == ({"disabled": False}, {"disabled": True})
    assert "argon2" not in repr(lines)


def test_a_change_raises_the_revision_in_its_own_transaction(engine: Engine) -> None:
    """A change that is rolled back leaves neither account, nor revision, nor audit line."""
    with engine.begin() as connection:
        people.add(connection, "pupil-0417", YEAR4, OFFICE)
    with pytest.raises(RegistryError), engine.begin() as connection:
        people.disable(connection, "pupil-0417", OFFICE)
        people.disable(connection, "nobody", OFFICE)
    with engine.connect() as connection:
        assert revision_number(connection) == 1
        assert people.get(connection, "pupil-0417").status(AT) == "active"
        assert len(trail(connection)) == 1


def test_changes_at_once_follow_each_other(engine: Engine) -> None:
    """Four people changing different accounts at the same time lose nothing."""
    wrong: list[BaseException] = []

    def enter(who: str) -> None:
        try:
            for number in range(10):
                with engine.begin() as connection:
                    people.add(connection, f"{who}-{number}", YEAR4, By(who, AT))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=enter, args=(f"clerk{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    with engine.connect() as connection:
        assert len(people.accounts(connection)) == 40
        assert revision_number(connection) == 40
        assert len(trail(connection)) == 40


def test_details_change_together(connection: Connection) -> None:
    """Moving up a year changes band, groups and title in one step; the same again changes nothing."""
    people.add(connection, "pupil-0417", YEAR4, OFFICE)
    wanted = replace(YEAR4, band="ks3", groups=frozenset({"year-7", "choir"}), title="Year 7 pupil")
    assert people.set_details(connection, "pupil-0417", wanted, OFFICE).details == wanted
    people.set_details(connection, "pupil-0417", wanted, OFFICE)
    assert len(trail(connection)) == 2
