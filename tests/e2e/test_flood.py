"""A tablet asks for the same thing without end: every request is counted, in few rows; what is blocked, a row each."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from logstore.flood import AFTER
from tests.rig.clients import Browser
from tests.rig.gateway import HILLVIEW, TEACHER, Gateway
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e
ASKED = 400


@pytest.mark.parametrize("workers", [1, 2])
def test_every_request_of_a_flood_is_counted_and_the_rows_are_few(
    make_gateway: Callable[..., Gateway], name: str, workers: int
) -> None:
    """Through real workers and a real shipper; four tablets behind one address, and nobody asks for anything after."""
    gateway = make_gateway({"spool": {"fold_repeats": True}, "proxy": {"workers": workers}}).start()
    tablets = [Browser(gateway, source=TEACHER) for _ in range(4)]
    try:
        began = time.monotonic()
        for number in range(ASKED):
            assert tablets[number % 4].fetch(f"http://{name}/poll").status == 200
        each_second = ASKED / workers / (time.monotonic() - began)

        def counted() -> list[dict[str, object]]:
            rows = gateway.rows(host=name, path="/poll")
            return rows if sum(1 + int(row["repeats"]) for row in rows) >= ASKED else []

        rows = wait_for(counted, "every request of the flood", seconds=60, every=0.5)
    finally:
        for tablet in tablets:
            tablet.close()
    assert sum(1 + int(str(row["repeats"])) for row in rows) == ASKED
    if each_second > 3 * AFTER:  # a machine too busy to flood leaves a row for each
        assert len(rows) < ASKED


def test_what_is_blocked_is_never_folded(make_gateway: Callable[..., Gateway], name: str) -> None:
    """Each attempt is evidence."""
    gateway = make_gateway({"spool": {"fold_repeats": True}}).start()
    with Browser(gateway, source=HILLVIEW) as pupil:
        for _ in range(60):
            assert pupil.fetch("http://blocked.example/poll").status == 403
    rows = gateway.wait_for_rows(60, host="blocked.example")
    assert {row["repeats"] for row in rows} == {0}
