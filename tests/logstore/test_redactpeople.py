"""Names of others are taken out of what staff wrote; the person's own, and ordinary words, stay."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore.redactpeople import Redactor, mentions

REDACTOR = Redactor(
    ["anna.b", "Anna B."], ["ben.c", "Ben C", "anna.bell", "Anna Bell", "Zoë Ng", "jo", "anna.b"], ["retention"]
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ben.c and anna.b fought", "[somebody else] and anna.b fought"),
        ("BEN.C's tablet", "[somebody else]'s tablet"),
        ("anna.bell saw anna.b", "[somebody else] saw anna.b"),
        ("benchmark ben.cc", "benchmark ben.cc"),
        ("jo is too short to be found", "jo is too short to be found"),
        ("seen by cli:mrs.smith, twice", "seen by staff, twice"),
        (
            "Ben  C, Ben\u00a0C, Ben\nC and C, Ben",
            "[somebody else], [somebody else], [somebody else] and [somebody else]",
        ),
        ("BenC left, said Zoe\u0308 Ng", "[somebody else] left, said [somebody else]"),
        (
            "Ben was hitting, ZOË cried, Anna watched Bell",
            "[somebody else] was hitting, [somebody else] cried, Anna watched [somebody else]",
        ),
        ("the bell rang", "the bell rang"),
        ("", ""),
    ],
)
def test_texts(text: str, said: str) -> None:
    assert REDACTOR.text(text) == said


@pytest.mark.parametrize(
    ("who", "said"),
    [("cli:head", "staff"), ("mrs.smith", "staff"), ("retention", "retention"), ("Anna.B", "Anna.B"), (None, None)],
)
def test_who_did_it_becomes_what_they_are(who: str | None, said: str | None) -> None:
    assert REDACTOR.doer(who) == said


def test_json_is_gone_through_to_the_bottom() -> None:
    told = {"made_by": "mrs.smith", "after": [{"ben.c": ["Ben C", 3, None]}], "signed": ["cli:a", "cli:b"]}
    assert REDACTOR.value(told) == {
        "made_by": "staff",
        "after": [{"[somebody else]": ["[somebody else]", 3, None]}],
        "signed": ["staff", "staff"],
    }


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["ben.c", "say BEN C again"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=12,
    )
)
def test_whatever_it_is_the_name_is_gone(value: Any) -> None:
    said = json.dumps(REDACTOR.value(value)).casefold()
    for name in ("ben.c", "ben c"):
        assert not mentions(json.loads(said), name)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("about anna.b.", True),
        ("about Anna.B", True),
        ("anna.bell", False),
        ("joanna.b", False),
        ({"x": [1, {"anna.b": None}]}, True),
        (["anna.b-pad"], False),
        (7, False),
    ],
)
def test_whether_somebody_is_mentioned(value: Any, found: bool) -> None:
    assert mentions(value, "anna.b") is found


def test_nobody_to_take_out() -> None:
    assert Redactor(["anna.b"], []).text("ben.c") == "ben.c"
