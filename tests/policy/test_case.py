"""One decision's case: the same throughout, but for what is seen of an inner address."""

from __future__ import annotations

import pytest

from categories.names import canonical_url
from policy.case import Case
from policy.client import Band, Client
from policy.model import Request, Signal, Stage
from policy.remembered import Remembered
from policy.tables import Table
from tests.policy.school import LESSON, school_policy


@pytest.mark.parametrize(("stage", "full"), [(Stage.CONNECT, False), (Stage.REQUEST, True), (Stage.RESPONSE, True)])
def test_a_case_seen_with_other_signals_is_the_same_case(stage: Stage, full: bool) -> None:
    request, pupil = Request(canonical_url("https://lessons.example/1"), stage), Client(band=Band.KS2, band_known=True)
    table, place = Table(school_policy(), Band.KS2, None), Remembered().place(())
    case = Case(request, pupil, LESSON, table, frozenset({"lesson"}), frozenset(), place)
    assert case.full is full
    seen = case.with_signals(frozenset({Signal.WEB_PROXY}))
    assert (case.signals, seen.signals) == (frozenset(), {Signal.WEB_PROXY})
    assert (seen.request, seen.client, seen.at, seen.holding) == (request, pupil, LESSON, {"lesson"})
    assert (seen.table is table, seen.place is place, seen.full) == (True, True, full)
