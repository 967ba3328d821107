"""Decisions laid over lists and policy: in force at their time, and never half a set of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from categories.layered import OwnEntry, read_entry
from identity.overlay import OverlayError, pack_overlay, unpack_overlay
from policy.model import Action
from policy.overrides import Override, pack
from proxy.decided import Decided, Parts, decided_in, open_decided, put_together
from proxy.settings import Settings
from tests.policy.lists import PlainIndex
from tests.policy.school import LESSON, LISTS, PEOPLE, request, school_policy

PARTS = Parts(PlainIndex(LISTS), school_policy())
BLOCK = Override(1, Action.BLOCK, "host:a.example", until=LESSON)
CHOSEN = OwnEntry(1, "education", *read_entry("chess.example"), until=LESSON + timedelta(minutes=5))
DECIDED = Decided((BLOCK,), (CHOSEN,))


def test_each_holds_until_its_time() -> None:
    before, after = LESSON - timedelta(minutes=1), LESSON + timedelta(minutes=5)
    engine = put_together(PARTS, DECIDED, before)
    assert engine.decide(request("a.example"), PEOPLE["a teacher"], before).rule == "override-1"
    assert engine.decide(request("chess.example"), PEOPLE["Year 4"], before).rule == "chosen-for-ks2"
    late = put_together(PARTS, DECIDED, after)
    assert late.index is PARTS.index
    assert late.revision == put_together(PARTS, Decided(), after).revision
    assert (DECIDED.next_end(before), DECIDED.next_end(LESSON), DECIDED.next_end(after)) == (LESSON, CHOSEN.until, None)


def test_an_overlay_tells_them_and_its_revision() -> None:
    overlay = unpack_overlay(pack_overlay(3, [], [], (), {"overrides": [pack(BLOCK)], "tomorrow": 1}))
    found = decided_in(overlay)
    assert found.overrides == (replace(BLOCK, until=BLOCK.until),)
    assert found.revision == overlay.revision


@pytest.mark.parametrize("more", [{"overrides": [[1, "shout"]]}, {"entries": 7}, {"overrides": [["x"] * 8]}])
def test_what_cannot_be_read_is_refused_whole(more: dict[str, object]) -> None:
    with pytest.raises(OverlayError, match="decision that cannot be read"):
        decided_in(unpack_overlay(pack_overlay(1, [], [], (), more)))


def test_where_nobody_decided_anything_nothing_is_decided(tmp_path: Path) -> None:
    assert open_decided(Settings(data=tmp_path)) == Decided()
