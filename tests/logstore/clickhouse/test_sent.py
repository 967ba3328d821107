"""What a writer knows of rows it has sent, without asking the server."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from logstore.clickhouse import sent
from logstore.clickhouse.sent import Sent


def test_what_an_earlier_life_may_have_sent_is_doubtful() -> None:
    one = Sent({"gateway-1": 50})
    assert one.doubtful("gateway-1", [40, 50, 51]) == [40, 50]
    assert one.doubtful("gateway-2", [40, 50, 51]) == []
    assert one.there("gateway-1", [40]) == set()


def test_what_failed_is_doubtful_and_nothing_is_certain_any_more() -> None:
    one = Sent({})
    one.add("gateway-1", [3, 9, 4])
    assert one.there("gateway-1", [1, 3, 9]) == {3, 9}
    one.forget("gateway-1")
    one.doubt("gateway-1", [12])
    assert one.there("gateway-1", [1, 3, 9]) == set()
    assert one.doubtful("gateway-1", [1, 12, 13]) == [1, 12]


def test_memory_is_bounded() -> None:
    one = Sent({})
    for producer in range(sent.PRODUCERS + 5):
        for number in range(sent.BATCHES + 5):
            one.add(f"gateway-{producer}", range(number * 10, number * 10 + 10))
    assert one.there("gateway-0", range(1000)) == set()
    newest = f"gateway-{sent.PRODUCERS + 4}"
    assert one.there(newest, range(1000)) == set(range(50, 50 + sent.BATCHES * 10))


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.sets(st.integers(0, 300), min_size=1, max_size=9), st.booleans()),
        max_size=60,
    )
)
def test_no_id_that_was_sent_is_ever_taken_for_new(steps: list[tuple[str, set[int], bool]]) -> None:
    """Whatever is sent, fails and comes again: an id is certain, or doubtful, or was never sent."""
    one, really = Sent({}), {"a": set[int](), "b": set[int]()}
    for producer, ids, fails in steps:
        certain, doubtful = one.there(producer, ids), set(one.doubtful(producer, ids))
        assert certain <= really[producer]
        assert ids - certain - doubtful == ids - certain - doubtful - really[producer]
        really[producer] |= ids
        if fails:
            one.forget(producer)
            one.doubt(producer, ids)
        else:
            one.add(producer, ids)
