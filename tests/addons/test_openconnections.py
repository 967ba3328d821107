"""One machine has one cap, however many workers its connections come to."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from addons.openconnections import CELLS, REGION, OpenConnections, forget

SECRET = b"k" * 32
LAPTOP, TABLET = "10.4.1.7", "2001:db8::7"


def workers(count: int) -> tuple[memoryview, list[OpenConnections]]:
    memory = memoryview(bytearray(REGION * count))
    return memory, [OpenConnections(memory, number, SECRET) for number in range(count)]


def test_what_comes_to_any_worker_counts() -> None:
    """Each tells how many there are at all of them; what ends at one is one less for all."""
    _, (one, two, three) = workers(3)
    assert [each.opened(LAPTOP) for each in (one, two, three, one)] == [1, 2, 3, 4]
    assert two.opened(TABLET) == 1
    two.closed(LAPTOP)
    assert three.opened(LAPTOP) == 4


def test_the_connections_of_a_killed_worker_are_gone() -> None:
    """And its successor, which writes in the same place, begins at none."""
    memory, (one, two) = workers(2)
    for _ in range(10):
        one.opened(LAPTOP)
        two.opened(LAPTOP)
    forget(memory, 0)
    assert two.opened(LAPTOP) == 12 - 1
    assert OpenConnections(memory, 0, SECRET).opened(LAPTOP) == 12
    one.closed(LAPTOP)  # whatever a worker that should be dead still does, it does no harm
    assert two.opened(LAPTOP) >= 12


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.booleans()), max_size=200),
)
def test_nobody_has_fewer_than_they_have(steps: list[tuple[int, int, bool]]) -> None:
    """Whatever opens and closes where: never fewer than there are, and here, with few clients, never more."""
    memory, each = workers(3)
    truth: Counter[tuple[int, str]] = Counter()
    for worker, number, opens in steps:
        address = f"10.4.0.{number}"
        if opens:
            truth[worker, address] += 1
            assert each[worker].opened(address) == sum(truth[other, address] for other in range(3))
        elif truth[worker, address]:
            truth[worker, address] -= 1
            each[worker].closed(address)
    for (worker, address), count in truth.items():
        for _ in range(count):
            each[worker].closed(address)
    assert not any(memory)


def test_many_clients_share_cells_and_hardly_notice() -> None:
    """As many clients as a row has cells, and one of them with 500 connections: the others do not pay for it."""
    _, (one, two) = workers(2)
    for _ in range(500):
        one.opened(LAPTOP)
    said = [two.opened(f"10.{number >> 8}.{number & 255}.9") for number in range(CELLS)]
    assert max(said) < 10
    assert sum(said) / len(said) < 2


def test_alone_it_counts_exactly() -> None:
    """A worker without shared memory: two addresses are never taken for one."""
    alone = OpenConnections()
    assert [alone.opened(f"10.4.{number >> 8}.{number & 255}") for number in range(20_000)] == [1] * 20_000
