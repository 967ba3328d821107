"""Records and endings made the quick way: nothing of them tells that the class did not make them itself."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore.encoding import ENDING_FIELDS, RECORD_FIELDS, encode_write
from logstore.record import Ending, EndingKind, LogRecord, new_ending, new_record

ANYTHING = st.none() | st.booleans() | st.integers() | st.text() | st.tuples(st.text())
RECORDS = st.fixed_dictionaries(
    dict.fromkeys(RECORD_FIELDS[:4], ANYTHING), optional=dict.fromkeys(RECORD_FIELDS[4:], ANYTHING)
)
ENDINGS = st.fixed_dictionaries(
    {"kind": st.sampled_from(EndingKind)}, optional=dict.fromkeys(ENDING_FIELDS[1:], ANYTHING)
)


def alike(made: Any, usual: Any) -> None:
    """Asserts that nobody can tell one from the other."""
    assert type(made) is type(usual)
    assert made == usual
    assert usual == made
    assert hash(made) == hash(usual)
    assert repr(made) == repr(usual)
    assert dataclasses.asdict(made) == dataclasses.asdict(usual)
    assert copy.copy(made) == pickle.loads(pickle.dumps(made)) == usual


@given(RECORDS)
def test_a_record_made_the_quick_way_is_the_same(values: dict[str, Any]) -> None:
    """Whatever is told and whatever is left out: class, fields, defaults, hash, text, copies."""
    alike(new_record(**values), LogRecord(**values))


@given(ENDINGS)
def test_an_ending_made_the_quick_way_is_the_same(values: dict[str, Any]) -> None:
    """As of a record."""
    alike(new_ending(**values), Ending(**values))


@pytest.mark.parametrize("make", [LogRecord, new_record], ids=["class", "quick"])
def test_what_is_made_is_frozen_and_whole(make: Any) -> None:
    """No field of it can be set or taken away, none that there is not can be told, and none that is needed left out."""
    record = make(id=1, time_us=2, worker="worker0", revision="r")
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.host = "example.org"
    with pytest.raises(dataclasses.FrozenInstanceError):
        del record.host
    with pytest.raises(TypeError, match="nothing"):
        make(id=1, time_us=2, worker="worker0", revision="r", nothing=1)
    with pytest.raises(TypeError, match="revision"):
        make(id=1, time_us=2, worker="worker0")
    with pytest.raises(TypeError, match="positional"):
        make(1, 2, "worker0", "r")


def test_what_is_made_is_replaced_and_written_as_ever() -> None:
    """A copy with another field is a record like any other, and so are its bytes in the spool."""
    record = new_record(id=1, time_us=2, worker="worker0", revision="r", host="example.org")
    usual = LogRecord(id=1, time_us=2, worker="worker0", revision="r", host="example.org")
    alike(dataclasses.replace(record, host="b.example"), dataclasses.replace(usual, host="b.example"))
    ending = {"kind": EndingKind.RESPONSE, "status": 200}
    assert encode_write(record, new_ending(**ending)) == encode_write(usual, Ending(**ending))  # type: ignore[arg-type]
