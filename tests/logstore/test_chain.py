"""A hash chain in which nothing can be changed, added or left out unseen; pure."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logstore import chain
from logstore.chain import (
    FORM,
    FORMS,
    PORTION,
    Batch,
    Hashing,
    broken_link,
    genesis,
    leaf,
    leaves_of,
    make_batch,
    prove,
    root_of,
)
from logstore.schema import log

IDS = st.lists(st.integers(0, 2**62), unique=True, min_size=0, max_size=200).map(sorted)


def row(record_id: int, **changed: object) -> tuple[object, ...]:
    values: dict[str, object] = dict.fromkeys(FORMS[FORM], 0) | {"id": record_id, "path": f"/{record_id}"} | changed
    return tuple(values.values())


def made(*sizes: int) -> list[Batch]:
    """A chain of batches of so many rows."""
    batches: list[Batch] = []
    prev, first = genesis("day"), 1
    for number, size in enumerate(sizes, 1):
        rows = [row(record_id) for record_id in range(first, first + size)]
        batches.append(make_batch(prev, number, rows, [("user_id", number, f"pupil-{number}")], at_us=number))
        prev, first = batches[-1].mark, first + size
    return batches


def test_the_newest_form_covers_every_column() -> None:
    """A column added to `log` fails here until a new form hashes it; forms only ever grow at their end."""
    newest = FORMS[max(FORMS)]
    assert max(FORMS) == FORM
    assert newest == tuple(column.name for column in log.columns)
    assert all(newest[: len(columns)] == columns for columns in FORMS.values())


@given(IDS)
def test_ids_come_back(ids: list[int]) -> None:
    assert chain.ids_of(make_batch(genesis("x"), 1, [row(one) for one in ids], [], 0)) == ids


def test_names_come_back_sorted() -> None:
    names = [("user_id", 7, "b"), ("host_id", 3, "h"), ("user_id", 2, b"\xed\xa0\x80")]
    assert chain.names_of(make_batch(genesis("x"), 1, [], names, 0)) == [("host_id", 3), ("user_id", 2), ("user_id", 7)]


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Batch)])
def test_whatever_is_changed_in_a_batch_breaks_the_chain_there(field: str) -> None:
    batches = made(3, 1, 4)
    old = getattr(batches[1], field)
    batches[1] = dataclasses.replace(batches[1], **{field: old + 1 if isinstance(old, int) else old + b"x"})
    assert broken_link("day", batches) == 2


def test_a_chain_is_whole_only_from_its_own_beginning() -> None:
    batches = made(3, 1, 4)
    assert broken_link("day", batches) is None
    assert broken_link("another day", batches) == 1
    assert broken_link("day", batches[1:]) == 1
    assert broken_link("day", [batches[0], batches[2]]) == 2
    assert broken_link("day", [batches[1], batches[0]]) == 1


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_any_other_value_of_any_row_is_another_root(data: st.DataObject) -> None:
    value = (
        st.none() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(codec="utf-8"), max_size=9) | st.binary()
    )
    rows = data.draw(st.lists(st.tuples(value, value, value), min_size=1, max_size=150))
    place, column = data.draw(st.integers(0, len(rows) - 1)), data.draw(st.integers(0, 2))
    other = data.draw(value)
    changed = [list(one) for one in rows]
    changed[place][column] = other
    same = type(rows[place][column]) is type(other) and rows[place][column] == other
    assert (root_of(leaves_of(rows)) == root_of(leaves_of(changed))) == same


@pytest.mark.parametrize("size", [1, 63, 64, 65, 128, 500])
def test_one_row_is_proved_without_the_others(size: int) -> None:
    rows = [row(n) for n in range(size)]
    leaves = leaves_of(rows)
    for place in {0, size // 2, size - 1}:
        proof = prove(leaves, place)
        assert proof.leads_to(leaf(rows[place]), root_of(leaves))
        assert not proof.leads_to(leaf(row(place, path="/other")), root_of(leaves))
        assert not dataclasses.replace(proof, place=place + 1).leads_to(leaf(rows[place]), root_of(leaves))
        assert not proof.leads_to(leaf(rows[place]), root_of(leaves_of(rows[:-1])))


@pytest.mark.parametrize("portions", [0, 1, 2, 9])
def test_hashes_made_in_portions_are_the_same(portions: int) -> None:
    """However many are made before the batch is, of names too; a row that cannot be hashed is told at its end."""
    rows, names = [row(n) for n in range(2 * PORTION + 7)], [("user_id", 7, "pupil-0007"), ("host_id", 2, "a.example")]
    hashed = Hashing(rows, names)
    assert [hashed.go_on() for _ in range(portions)] == [*[True] * 5, *[False] * 4][:portions]
    whole, leaves, sorted_names = hashed.whole(), leaves_of(rows), leaves_of(sorted(names))
    assert (whole.root, whole.names_root) == (root_of(leaves), root_of(sorted_names))
    assert whole.hints == leaves[0::32] + leaves[1::32] + sorted_names[0::32] + sorted_names[1::32]
    batch = make_batch(genesis("day"), 1, rows, names, 0, hashed=hashed)
    assert batch == make_batch(genesis("day"), 1, rows, names, 0)
    assert (chain.ids_of(batch), chain.names_of(batch)) == ([one[0] for one in rows], [("host_id", 2), ("user_id", 7)])
    odd = Hashing([*rows, row(1, path="\ud800")], names)
    assert [odd.go_on() for _ in range(4)] == [True, True, False, False]
    with pytest.raises(UnicodeEncodeError):
        odd.whole()


def test_hashes_do_not_change_between_releases() -> None:
    """What was sealed years ago must still be found whole: these values are for ever."""
    assert genesis("2026-11-21.db").hex() == GENESIS
    for form, (one, mark) in HASHES.items():
        rows = [values[: len(FORMS[form])] for values in (row(5), row(9, path=None))]
        assert leaf(rows[0]).hex() == one
        batch = make_batch(genesis("2026-11-21.db"), 1, rows, [("user_id", 1, "pupil-0417")], 77, form)
        assert batch.mark.hex() == mark
    assert HASHES.keys() == FORMS.keys()


GENESIS = "7028fadb40b384e9e1f949dd714ae238dcaaa319d26c3c0cbcfc8372016db0d1"
HASHES = {
    1: (
        "cc07879cb71986f228a7c401d6e5e55a23d77889d3472eb037429d4fabf83a15",
        "0795ec9af842a5d109ca7241a8eac6271fb1d5cf9b1cb2a5cc0fccd54080ac2c",
    ),
    2: (
        "ee5ffd915c39bd059cc6f2e6120b225f0bb906041100abc44dbe81d5d702badf",
        "6ce6ae13d709b27ad62fd1864d7ddb5948a6eecc8a4867c2b87e2a283f9939c6",
    ),
}
"""By form: of a row, and of a batch."""


@pytest.mark.parametrize("field", ["ids", "names"])
def test_what_cannot_be_unpacked_is_said(field: str) -> None:
    batch = dataclasses.replace(made(2)[0], **{field: b"no such thing"})
    with pytest.raises(ValueError, match="cannot be read"):
        getattr(chain, f"{field}_of")(batch)
