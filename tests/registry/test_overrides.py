"""One-click decisions in the register: numbered, audited, ended by people or by time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from policy.client import Band
from policy.model import Action
from policy.overrides import Override
from registry.change import By, RegistryError, revision_number
from registry.overrides import EXPIRED, add, decisions, end, end_expired, facts
from tests.registry.conftest import AT, trail

TEACHER = By("teacher-12", AT, "assembly on chess")
CHESS = Override(
    0, Action.ALLOW, "host:chess.example", site="oakwood", group="year-4", until=AT + timedelta(minutes=40)
)


def test_a_decision_keeps_what_was_said(connection: Connection) -> None:
    """And raises the revision, so that workers learn of it."""
    before = revision_number(connection)
    made = add(connection, replace(CHESS, id=99), TEACHER)
    assert decisions(connection) == [made]
    assert (made.override, made.why, made.made_by) == (replace(CHESS, id=1), "assembly on chess", "teacher-12")
    assert revision_number(connection) == before + 1
    assert trail(connection) == [("teacher-12", "override.add", "override-1", None, facts(made))]


def test_it_is_ended_once(connection: Connection) -> None:
    made = add(connection, CHESS, TEACHER)
    head = By("head", AT + timedelta(minutes=5), "enough")
    ended = end(connection, made.override.id, head)
    assert not ended.holds(head.at)
    assert decisions(connection) == []
    assert decisions(connection, ended=True) == [ended]
    with pytest.raises(RegistryError, match="over already"):
        end(connection, made.override.id, head)
    with pytest.raises(RegistryError, match="no such override"):
        end(connection, 77, head)


def test_time_ends_what_nobody_ended(connection: Connection) -> None:
    """Written down once, by the gateway, with the reason."""
    made = add(connection, CHESS, TEACHER)
    add(connection, replace(CHESS, until=None), TEACHER)
    assert made.override.until is not None
    assert end_expired(connection, made.override.until - timedelta(seconds=1), "schoolgate") == []
    (over,) = end_expired(connection, made.override.until, "schoolgate")
    assert (over.ended_by, over.ended_why) == ("schoolgate", EXPIRED)
    assert end_expired(connection, made.override.until, "schoolgate") == []
    assert [line[1:3] for line in trail(connection)][-1] == ("override.end", "override-1")


def test_a_number_is_never_given_twice(connection: Connection) -> None:
    """It stands in the record."""
    first = add(connection, CHESS, TEACHER)
    end(connection, first.override.id, TEACHER)
    assert add(connection, CHESS, TEACHER).override.id == first.override.id + 1


@pytest.mark.parametrize(
    ("wanted", "by", "says"),
    [
        (CHESS, replace(TEACHER, why=" "), "needs a reason"),
        (CHESS, replace(TEACHER, why="x" * 300), "longer than"),
        (CHESS, replace(TEACHER, why="=cmd()"), "formula"),
        (replace(CHESS, action=Action.WARN), TEACHER, "nobody can warn"),
        (replace(CHESS, action=Action.BYPASS, what="category:games"), TEACHER, "only a host can be passed unread"),
        (replace(CHESS, action=Action.BYPASS, what="url:https://chess.example/a"), TEACHER, "only a host"),
        (replace(CHESS, action=Action.BYPASS, group=None, user="pupil-0417"), TEACHER, "not for an account"),
        (replace(CHESS, until=AT), TEACHER, "over before it began"),
        (replace(CHESS, band=Band.KS2), TEACHER, "choose one"),
    ],
)
def test_what_cannot_be_decided(connection: Connection, wanted: Override, by: By, says: str) -> None:
    with pytest.raises(RegistryError, match=says):
        add(connection, wanted, by)
    assert decisions(connection) == []
