"""`schoolgate bench soak`: it finds nothing where nothing is wrong, and finds what is.

Shows: `proxy.commands.bench`.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter

import pytest

from proxy.soak import Soaked
from tests.rig.gateway import COMMAND


def test_a_leak_has_a_slope_and_warming_up_has_none() -> None:
    """Ten megabytes an hour are seen; a start that grows and then stands still is not taken for a leak."""
    leaking = Soaked(memory=[(second, 100 + second * 10 / 3600) for second in range(0, 600, 10)])
    warming = Soaked(memory=[(second, 100 + min(second, 200)) for second in range(0, 600, 10)])
    assert leaking.slope == pytest.approx(10)
    assert warming.slope == pytest.approx(0)


@pytest.mark.parametrize(
    "bad",
    [
        Soaked(answered={1}, lost=1),
        Soaked(answered={1}, doubled=1),
        Soaked(answered={1}, failed_steady=Counter({"OSError": 1})),
        Soaked(),
    ],
    ids=["a lost record", "a doubled one", "an error without a reason", "nothing was answered"],
)
def test_what_is_wrong_is_not_called_good(bad: Soaked) -> None:
    assert not bad.good
    assert Soaked(answered={1}, failed_violent=Counter({"OSError": 1})).good


@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_a_quarter_of_a_minute_loses_no_record() -> None:
    """The whole of it, faults, killed workers and all, as somebody would type it."""
    words = [str(COMMAND), "bench", "soak", "--minutes", "0.25", "--clients", "4", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=380)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["answered"] > 20
    assert (told["lost"], told["doubled"], told["failed"]) == (0, 0, {})
    assert told["faults"]["kill worker"] >= 1
    assert told["faults"]["restart"] >= 1
