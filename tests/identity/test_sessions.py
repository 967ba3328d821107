"""Open connections follow the register; one account on two machines is noticed."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from identity.basic import Cost, hash_password
from identity.directory import Directory, Person
from identity.model import Evidence
from identity.resolve import resolve, resolve_session
from identity.sessions import ConcurrentUses, ConnectionSession, Standing, signed_in

AT = datetime(2026, 11, 17, 10, 20, tzinfo=UTC)
CHEAP = Cost(memory=64, passes=1)
PUPIL = Person("pupil-0417", hash_password("otter kite lamp", CHEAP), "ks2")
ROOM = "10.4.1.7"
EVIDENCE = Evidence(ROOM, "Basic " + base64.b64encode(b"pupil-0417:otter kite lamp").decode())


def school(*people: Person, revision: str) -> Directory:
    return Directory({person.name: person for person in people}, revision=revision)


BEFORE = school(PUPIL, revision="1")


def open_session() -> ConnectionSession:
    session = signed_in(EVIDENCE, BEFORE, checked=True, at=AT)
    assert session is not None
    return session.resolved(BEFORE, resolve(EVIDENCE, BEFORE, "required", True, AT))


def test_an_unchanged_register_is_not_asked_twice() -> None:
    """Requests inside a tunnel rest on the sign-in that opened it."""
    session = open_session()
    assert session.standing(BEFORE, AT) is Standing.HOLDS
    assert resolve_session(ROOM, session, BEFORE, AT) == resolve(EVIDENCE, BEFORE, "required", True, AT)


@pytest.mark.parametrize(
    ("now", "standing", "user", "refused"),
    [
        ((PUPIL,), Standing.AGAIN, "pupil-0417", None),
        ((replace(PUPIL, disabled=True),), Standing.AGAIN, "pupil-0417", "disabled"),
        ((replace(PUPIL, consent=False),), Standing.AGAIN, "pupil-0417", "consent"),
        ((replace(PUPIL, suspended_until=AT + timedelta(days=1)),), Standing.AGAIN, "pupil-0417", "suspended"),
        ((), Standing.GONE, "pupil-0417", "disabled"),
        ((replace(PUPIL, password_hash=hash_password("new words", CHEAP)),), Standing.ENDED, None, "sign-in"),
        ((replace(PUPIL, password_hash=None),), Standing.ENDED, None, "sign-in"),
    ],
    ids=["somebody else changed", "disabled", "consent", "suspended", "leaver", "new password", "no password"],
)
def test_a_change_reaches_the_open_connection(
    now: tuple[Person, ...], standing: Standing, user: str | None, refused: str | None
) -> None:
    """The next request on a connection that is already open meets the register as it is now (B-21)."""
    after = school(*now, revision="2")
    session = open_session()
    assert session.standing(after, AT) is standing
    identity = resolve_session(ROOM, session, after, AT)
    assert (identity.user, identity.refused) == (user, refused)
    assert identity.verified == (user is not None)


def test_a_suspension_ends_on_the_open_connection() -> None:
    """Nobody has to close the browser for access to come back (B-65)."""
    until = AT + timedelta(days=3)
    after = school(replace(PUPIL, suspended_until=until), revision="2")
    identity = resolve_session(ROOM, open_session(), after, AT)
    session = open_session().resolved(after, identity)
    assert session.standing(after, until - timedelta(seconds=1)) is Standing.HOLDS
    assert session.standing(after, until) is Standing.AGAIN
    assert resolve_session(ROOM, session, after, until).refused is None


def test_a_band_changed_in_the_register_counts_at_once() -> None:
    """The identity worked out again has the new band."""
    after = school(replace(PUPIL, band="ks3"), revision="2")
    assert resolve_session(ROOM, open_session(), after, AT).band == "ks3"


@pytest.mark.parametrize(
    ("evidence", "checked"),
    [
        (EVIDENCE, False),
        (EVIDENCE, None),
        (Evidence(ROOM), True),
        (Evidence(ROOM, "Negotiate abc"), True),
        (Evidence(ROOM, "Basic " + base64.b64encode(b"nobody:otter").decode()), True),
    ],
)
def test_no_session_without_proof(evidence: Evidence, checked: bool | None) -> None:
    """What was not checked is not remembered."""
    assert signed_in(evidence, BEFORE, checked=checked, at=AT) is None


def test_a_session_shows_no_hash() -> None:
    """A session printed into a log gives no password hash away."""
    assert "argon2" not in repr(open_session())


def minutes(*sightings: tuple[str, float], shared: bool = False) -> list[bool]:
    uses = ConcurrentUses(timedelta(minutes=5))
    return [
        uses.used("ks3-pupil", address, AT + timedelta(minutes=minute), shared=shared) is not None
        for address, minute in sightings
    ]


@pytest.mark.parametrize(
    ("sightings", "noticed"),
    [
        ([("lab", 0), ("lab", 1), ("lab", 2)], [False, False, False]),
        ([("lab", 0), ("tablet", 1), ("tablet", 2)], [False, False, False]),
        ([("lab", 0), ("tablet", 1), ("lab", 2)], [False, False, True]),
        ([("lab", 0), ("tablet", 1), ("lab", 2), ("tablet", 3)], [False, False, True, False]),
        ([("lab", 0), ("tablet", 1), ("lab", 9)], [False, False, False]),
        ([("lab", 0), ("tablet", 4), ("lab", 8), ("tablet", 9)], [False, False, False, True]),
    ],
    ids=["one machine", "moved", "both", "told once", "long after", "in turns"],
)
def test_one_account_on_two_machines(sightings: list[tuple[str, float]], noticed: list[bool]) -> None:
    """A machine used before and after another one shares the account with it; a move from one to the next does not."""
    assert minutes(*sightings) == noticed


def test_a_class_login_is_on_many_machines() -> None:
    """A shared login is meant to be used so."""
    assert minutes(("lab", 0), ("tablet", 1), ("lab", 2), shared=True) == [False, False, False]


def test_the_watch_is_bounded() -> None:
    """Ten thousand accounts take no more room than the limit says."""
    uses = ConcurrentUses(size=100)
    for number in range(1000):
        uses.used(f"pupil-{number}", "lab", AT, shared=False)
    assert len(uses._accounts) == 100
