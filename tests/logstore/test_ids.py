"""Record ids rise with time, whatever the clock does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logstore.ids import EPOCH_US, NODES, RecordIds, id_node, id_range, id_time_us

NINE_O_CLOCK = 1_795_251_600_000_000


def clock_of(*times: int) -> Iterator[int]:
    yield from times


def test_an_id_carries_its_time_and_its_worker() -> None:
    """Both can be read back from the number alone."""
    given_id = RecordIds(7, lambda: NINE_O_CLOCK + 999).next()
    assert id_time_us(given_id) == NINE_O_CLOCK
    assert id_node(given_id) == 7


def test_ids_rise_within_a_millisecond_and_past_its_end() -> None:
    """A burst of 10,000 requests in one millisecond borrows from the next ones."""
    ids = RecordIds(3, lambda: NINE_O_CLOCK)
    burst = [ids.next() for _ in range(10_000)]
    assert burst == sorted(set(burst))
    assert {id_node(one) for one in burst} == {3}
    assert id_time_us(burst[-1]) == NINE_O_CLOCK + 39_000


@given(st.lists(st.integers(EPOCH_US - 10**12, EPOCH_US + 10**15), min_size=1, max_size=200))
def test_ids_rise_whatever_the_clock_does(times: list[int]) -> None:
    """Set back an hour, forward a year, before 2025: never the same id twice, never a smaller one."""
    clock = clock_of(*times)
    ids = RecordIds(1, lambda: next(clock))
    got = [ids.next() for _ in times]
    assert got == sorted(set(got))
    assert all(0 <= one < 2**63 for one in got)


def test_a_worker_that_starts_again_with_the_clock_set_back_stays_above_its_floor() -> None:
    """Same worker, same number, clock an hour behind: no id of the first life comes again."""
    before = RecordIds(1, lambda: NINE_O_CLOCK)
    first_life = {before.next() for _ in range(5000)}
    after = RecordIds(1, lambda: NINE_O_CLOCK - 3_600_000_000, floor=max(first_life))
    second_life = {after.next() for _ in range(5000)}
    assert min(second_life) > max(first_life)


@given(
    st.integers(EPOCH_US, EPOCH_US + 10**15), st.integers(0, 10**10), st.integers(0, NODES - 1), st.integers(0, 10**10)
)
def test_a_span_of_time_is_a_span_of_ids(start: int, length: int, node: int, when: int) -> None:
    """Every id given within the span lies in it; one given a millisecond outside does not."""
    first, past = id_range(start, start + length)
    given_id = RecordIds(node, lambda: start + when).next()
    if when < length:
        assert first <= given_id < past
    if when > length + 1000:
        assert given_id >= past


@pytest.mark.parametrize("node", [-1, NODES])
def test_a_worker_number_that_does_not_fit_is_refused(node: int) -> None:
    """Fourteen bits hold 0 to 16383."""
    with pytest.raises(ValueError, match="between 0 and 16383"):
        RecordIds(node)
