"""`schoolgate allow`, `block` and `overrides`, as typed: made, refused, ended; the overlay and the trail follow."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from identity.overlay import read_overlay
from policy.model import Action
from proxy.decided import decided_in
from proxy.decisions import Usage
from proxy.overridechanges import in_force_words, length
from tests.proxy.test_users import Technician


@pytest.fixture
def technician(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Technician:
    """Types `block` unless told otherwise."""
    return Technician(tmp_path, monkeypatch, capsys, command="block")


def test_made_listed_ended(technician: Technician) -> None:
    """Each step is in the overlay and in the trail."""
    made = technician.json("Videos.Example", "--band", "ks4", "--for", "1h30m", "--reason", "noise in the library")
    assert (made["rule"], made["what"], made["band"]) == ("override-1", "host:videos.example", "ks4")
    assert made["verdict"]["rule"] == "override-1"
    assert made["workers"] is None
    overlay = technician.data / "overlay" / "overlay.msgpack"
    (held,) = decided_in(read_overlay(overlay)).overrides
    assert (held.action, held.what) == (Action.BLOCK, "host:videos.example")
    technician.command = "overrides"
    assert technician.types("list") == 0
    assert "block videos.example for ks4 until" in technician.said
    assert "noise in the library" in technician.said
    assert technician.json("end", "override-1", "--reason", "quiet again")["ended_why"] == "quiet again"
    assert decided_in(read_overlay(overlay)).overrides == ()
    assert technician.json("list") == []
    assert [one["ended_why"] for one in technician.json("list", "--all")] == ["quiet again"]
    assert [line[1] for line in technician.trail()] == ["override.add", "override.end"]


def test_people_read_the_new_verdict_and_for_whom_nothing_changed(technician: Technician) -> None:
    """The decision is run again after the click."""
    technician.command = "allow"
    assert technician.types("category:social-media", "--reason", "media studies") == 0
    assert "override-1: allow category:social-media for everybody" in technician.said
    assert "ALLOWED for" in technician.said
    assert "no effect for" in technician.told
    assert "'trust-under-13' (TRUST)" in technician.told
    assert "it has no end" in technician.told
    assert "no gateway runs here" in technician.told


@pytest.mark.parametrize(
    ("command", "words", "status", "says"),
    [
        ("allow", ("category:malware", "--reason", "x"), 1, "'trust-malware' (TRUST) decides"),
        ("allow", ("category:terrorism", "--reason", "x"), 1, "LOCKED"),
        ("block", ("childline.org.uk", "--reason", "x"), 1, "help site"),
        ("block", ("a.example", "--user", "nobody", "--reason", "x"), 1, "no such account"),
        ("block", ("a.example", "--reason", " "), 1, "needs a reason"),
        ("block", ("a.example", "--until", "2020-01-01", "--reason", "x"), 1, "over before it began"),
        ("block", ("a.example", "--group", "year-44", "--reason", "x"), 2, "did you mean 'year-4'"),
        ("block", ("a.example", "--site", "oakwod", "--reason", "x"), 2, "did you mean 'oakwood'"),
        ("block", ("a.example", "--band", "ks22", "--reason", "x"), 2, "did you mean 'ks2'"),
        ("block", ("category:gamse", "--reason", "x"), 2, "did you mean 'games'"),
        ("block", ("no..host", "--reason", "x"), 2, "empty label"),
        ("block", ("a.example", "--for", "soon", "--reason", "x"), 2, "40m"),
        ("block", ("a.example", "--until", "soon", "--reason", "x"), 2, "not a time"),
        ("block", ("a.example",), 2, "--reason"),
        ("overrides", ("end", "7"), 1, "no such override"),
        ("overrides", ("end", "seven"), 2, "overrides list"),
    ],
)
def test_what_cannot_be_done(
    technician: Technician, command: str, words: tuple[str, ...], status: int, says: str
) -> None:
    """No is 1, usage is 2, the reason is on stderr, and nothing is written."""
    technician.command = command
    assert technician.types(*words) == status
    assert says in technician.told
    assert not technician.data.exists() or technician.trail() == []


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("40m", timedelta(minutes=40)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
        ("1 w", timedelta(7)),
    ],
)
def test_lengths_of_time(text: str, meant: timedelta) -> None:
    assert length(text) == meant


@pytest.mark.parametrize("text", ["", "m", "40", "40x", "40m and", "-5m"])
def test_what_is_no_length(text: str) -> None:
    with pytest.raises(Usage):
        length(text)


def test_a_worker_that_lags_is_told() -> None:
    assert "1 of 2 workers" in in_force_words({"have": 1, "of": 2, "seconds": 3.0})
