"""A hit on a statutory list is recorded with who and when, and without what the list keeps secret (F-06, A-25)."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from addons.rows import withheld
from categories.model import EntryKind, Match
from categories.statutory_forms import WITHHELD
from logstore.record import LogRecord
from policy.model import Action, Reason, Tier, Verdict

ROW = LogRecord(
    id=1, time_us=1, worker="worker0", revision="1", user="pupil-0417", device="lab2-14", host="secret.test",
    domain="secret.test", path="/secret", query="id=secret", terms=("secret",), category="child-abuse",
    note="name-mismatch,also:secret.test",
)  # fmt: skip
HIT = Match("child-abuse", "statutory/iwf", WITHHELD, 17, EntryKind.URL)
ORDINARY = Match("games", "starter/games", "secret.test", 3, EntryKind.DOMAIN)


def verdict(*matches: Match) -> Verdict:
    """A verdict by these entries."""
    return Verdict(
        Action.BLOCK, Reason.STATUTORY, "", Tier.LOCKED, "locked-statutory", "child-abuse", matches[0], matches
    )


@pytest.mark.parametrize("matches", [(HIT,), (HIT, ORDINARY), (ORDINARY, HIT)])
def test_a_hit_spells_nothing_out(matches: tuple[Match, ...]) -> None:
    row = withheld(ROW, verdict(*matches))
    assert "secret" not in str(asdict(row))
    assert (row.user, row.device, row.category) == ("pupil-0417", "lab2-14", "child-abuse")
    assert row.note == "name-mismatch,statutory-entry:17", "signals stay; the issuer knows the entry by its number"


def test_a_hit_without_a_note_has_the_number_alone() -> None:
    assert withheld(replace(ROW, note=None), verdict(HIT)).note == "statutory-entry:17"


@pytest.mark.parametrize("told", [None, verdict(ORDINARY)])
def test_every_other_row_stays_as_it_is(told: Verdict | None) -> None:
    assert withheld(ROW, told) is ROW
