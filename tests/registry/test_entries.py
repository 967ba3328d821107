"""The school's own entries: what a teacher chose for Key Stage 2, what is always blocked; with who, why and until."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Connection

from categories.model import EntryKind
from categories.taxonomy import load_taxonomy
from registry.change import By, RegistryError
from registry.entries import add, end_expired, facts, made, remove
from tests.registry.conftest import AT, trail

TAXONOMY = load_taxonomy()
RESERVED = {"wrongly-listed": "rule 'good' (TRUST) opens what is of it"}
TEACHER = By("teacher-12", AT, "fractions")


def test_a_site_is_chosen_and_taken_out_again(connection: Connection) -> None:
    chosen = add(
        connection, "ks2-chosen", "https://WWW.Maths.example/", TEACHER, categories=TAXONOMY, reserved=RESERVED
    )
    assert (chosen.entry.kind, chosen.entry.value) == (EntryKind.DOMAIN, "www.maths.example")
    assert made(connection) == [chosen]
    gone = remove(connection, "ks2-chosen", "www.maths.example", By("head", AT, "no longer"))
    assert not gone.holds(AT)
    assert made(connection) == []
    assert trail(connection) == [
        ("teacher-12", "entry.add", "ks2-chosen: www.maths.example", None, facts(chosen)),
        ("head", "entry.remove", "ks2-chosen: www.maths.example", facts(chosen), None),
    ]


def test_it_ends_by_itself(connection: Connection) -> None:
    until = AT + timedelta(hours=1)
    add(connection, "class-chosen", "chess.example/play", TEACHER, categories=TAXONOMY, reserved=RESERVED, until=until)
    assert end_expired(connection, until - timedelta(seconds=1), "schoolgate") == []
    assert len(end_expired(connection, until, "schoolgate")) == 1
    assert made(connection) == []


@pytest.mark.parametrize(
    ("category", "text", "why", "says"),
    [
        ("ks2-choosen", "a.example", "x", "did you mean 'ks2-chosen'"),
        ("child-abuse", "a.example", "x", "statutory list alone"),
        ("help", "a.example", "x", "by the product alone"),
        ("wrongly-listed", "a.example", "x", "rule 'good'.*always-allowed"),
        ("ks2-chosen", "uk", "x", "whole top level"),
        ("ks2-chosen", "a.example", "", "needs a reason"),
    ],
)
def test_what_cannot_be_added(connection: Connection, category: str, text: str, why: str, says: str) -> None:
    with pytest.raises(RegistryError, match=says):
        add(connection, category, text, By("teacher-12", AT, why), categories=TAXONOMY, reserved=RESERVED)


def test_twice_is_told_and_so_is_what_is_not_there(connection: Connection) -> None:
    add(connection, "ks2-chosen", "a.example", TEACHER, categories=TAXONOMY, reserved=RESERVED)
    with pytest.raises(RegistryError, match="already"):
        add(connection, "ks2-chosen", "A.example.", TEACHER, categories=TAXONOMY, reserved=RESERVED)
    with pytest.raises(RegistryError, match=r"no entry of yours in ks2-chosen.*yours: a\.example"):
        remove(connection, "ks2-chosen", "b.example", TEACHER)
