"""A row as text is always the same, and comes back as it was."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore.canonical import canonical, digest, row_of
from logstore.record import EndingKind
from logstore.rows import Row

from .rows import AT, ended, ids_from, request

WORDS = st.text(st.characters(codec=None), max_size=12)


@given(
    user=st.none() | WORDS,
    path=WORDS,
    terms=st.lists(WORDS, max_size=3).map(tuple),
    title=st.none() | WORDS,
    kind=st.sampled_from(EndingKind),
    blocked=st.none() | st.booleans(),
)
def test_what_goes_in_comes_out(
    user: str | None, path: str, terms: tuple[str, ...], title: str | None, kind: EndingKind, blocked: bool | None
) -> None:
    """Lone surrogates included; in ASCII, so that every hash is of the same bytes."""
    record = request(ids_from(AT).next(), user=user, path=path, terms=terms)
    row = Row(record, ended(kind, title=title, blocked=blocked))
    content = canonical(row)
    assert content.isascii()
    assert row_of(content) == row
    assert canonical(row_of(content)) == content


def test_the_hash_depends_on_every_field() -> None:
    first = Row(request(ids_from(AT).next()), ended())
    other = Row(request(ids_from(AT).next(), note="signals"), ended())
    assert digest(canonical(first)) != digest(canonical(other))
    assert len(digest(canonical(first))) == 64


def test_a_text_of_a_later_version_is_read_as_far_as_known() -> None:
    row = Row(request(ids_from(AT).next()), ended())
    told = json.loads(canonical(row))
    told["record"]["mood"] = "cheerful"
    del told["record"]["note"]
    assert row_of(json.dumps(told)) == row


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"record": {}, "ending": {}}', '{"record": 1, "ending": 2}'])
def test_what_is_no_row_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        row_of(text)
