"""One machine has one cap of requests a second, however many workers they come to."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.requestpace import LITTLE, REGION, RequestPace
from tests.addons.host import Host
from tests.rig.clients import Raw

SECRET = b"k" * 32
LAPTOP, TABLET = "10.4.1.7", "2001:db8::7"


def workers(count: int) -> list[RequestPace]:
    memory = memoryview(bytearray(REGION * count))
    return [RequestPace(memory, number, SECRET) for number in range(count)]


def test_requests_at_all_workers_count_together() -> None:
    one, two = workers(2)
    for _ in range(LITTLE):
        one.asked(LAPTOP, 100.1)
    assert [two.asked(LAPTOP, 100.9) for _ in range(LITTLE)][-1] == 2 * LITTLE
    assert two.asked(TABLET, 100.9) == 1


def test_every_second_begins_anew() -> None:
    """Also for what another worker counted, and when seconds come round again in half a cell."""
    one, two = workers(2)
    for _ in range(100):
        one.asked(LAPTOP, 100.9)
        two.asked(LAPTOP, 100.9)
    assert one.asked(LAPTOP, 101.0) == 1
    assert [two.asked(LAPTOP, 101.5) for _ in range(LITTLE)][-1] == LITTLE + 1
    assert two.asked(LAPTOP, 102.0) == 1
    assert RequestPace().asked(LAPTOP, 5.0) == 1


def test_more_than_a_cell_holds_is_still_much() -> None:
    one, two = workers(2)
    for _ in range(70_000):
        one.asked(LAPTOP, 100.0)
    assert [two.asked(LAPTOP, 100.0) for _ in range(LITTLE)][-1] == 0xFFFF + LITTLE


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5), st.integers(0, 1)), max_size=300))
def test_nobody_has_made_fewer_than_they_have(steps: list[tuple[int, int, int]]) -> None:
    """Never fewer than at the worker that is asked, never more than there are; all of them each time it looks."""
    each, second = workers(3), 100
    truth: Counter[tuple[int, str]] = Counter()
    for worker, number, passes in steps:
        if passes and number == 0:
            second += 1
            truth.clear()
        address = f"10.4.0.{number}"
        truth[worker, address] += 1
        mine, all_of_them = truth[worker, address], sum(truth[other, address] for other in range(3))
        told = each[worker].asked(address, second + 0.5)
        assert mine <= told <= all_of_them
        assert mine % LITTLE or told == all_of_them


def test_a_machine_that_asks_too_much_is_told_so(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 to what is too much, a row of it and a count; another machine is not hindered, and it may ask again."""
    monkeypatch.setattr(host.live, "requests_per_client", 5)
    monkeypatch.setattr(host.live, "clock", lambda: 1000.0)
    page = b"GET http://fine.example/page HTTP/1.1\r\nHost: fine.example\r\n\r\n"
    with Raw(host, source="127.0.7.1") as one, Raw(host, source="127.0.7.2") as other:  # type: ignore[arg-type]
        statuses = []
        for _ in range(7):
            one.send(page)
            statuses.append(one.answer().status)
        assert statuses == [200] * 5 + [429] * 2
        one.send(b"CONNECT fine.example:443 HTTP/1.1\r\nHost: fine.example:443\r\n\r\n")
        assert one.answer().status == 429
        other.send(page)
        assert other.answer().status == 200
        monkeypatch.setattr(host.live, "clock", lambda: 1001.0)
        one.send(page)
        assert one.answer().status == 200
    assert host.live.metrics.over_cap._value.get() == 3
    rows = [row for row in host.rows() if row.rule == "guard:requests"]
    assert [(row.client_address, row.method, row.reason, row.blocked) for row in rows] == [
        ("127.0.7.1", "GET", "guard", True),
        ("127.0.7.1", "GET", "guard", True),
        ("127.0.7.1", "CONNECT", "guard", True),
    ]
