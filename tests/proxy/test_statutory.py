"""What is in force stays in force: every way to take a statutory list back, by files, settings and restarts, is tried.

Rules, people and times are tried in `tests/policy/test_locked.py`, a real gateway in `tests/e2e/test_statutory.py`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from proxy.settings import Settings
from proxy.statutory import LARGEST, look, standing_for
from proxy.statutory_settings import StatutorySettings
from proxy.statutory_state import STATE, State, StatutoryError
from tests.categories.statutory_rig import NOW, Issuer
from tests.proxy.statutory_office import Office, blocked

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """An office with both lists in force, the gateway running."""
    made = Office(tmp_path)
    made.put_all()
    assert made.look().problems(NOW) == ()
    return made


def test_both_lists_valid_is_what_compliant_means(office: Office) -> None:
    standing = office.keeper.standing
    assert standing.problems(NOW) == ()
    assert all(blocked(standing, name) for name in ("iwf", "ctiru"))
    assert len(office.copies) == 2
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in (*office.copies, office.data / "statutory" / STATE))


def test_nothing_configured_is_not_compliant_and_says_whose_lists_are_missing(tmp_path: Path) -> None:
    office = Office(tmp_path)
    problems = office.look(settings=StatutorySettings()).problems(NOW)
    assert [word in " ".join(problems) for word in ("IWF", "CTIRU", "child-abuse", "terrorism")] == [True] * 4


@pytest.mark.parametrize("name", ["iwf", "ctiru"])
def test_one_list_alone_is_not_compliant(tmp_path: Path, name: str) -> None:
    """F-02 and F-03: both, whatever the settings require."""
    office = Office(tmp_path)
    office.put_all()
    assert office.look(settings=office.settings(name)).problems(NOW)


def test_a_newer_issue_takes_over_within_a_look(office: Office) -> None:
    office.put("iwf", 2, LATER, entries=["filehost.test/listed", "new.test"])
    standing = office.look(LATER)
    assert standing.bundles["iwf"].header.sequence == 2
    assert standing.problems(LATER) == ()
    assert len(office.copies) <= 3, "one generation is kept for workers that are just opening it"
    office.look(LATER + timedelta(minutes=5))
    assert len(office.copies) == 2


# -- files under a running gateway ------------------------------------------------------------------------------------


def _delete(office: Office) -> None:
    office.file("iwf").unlink()


def _truncate(office: Office) -> None:
    office.file("iwf").write_bytes(office.file("iwf").read_bytes()[:-100])


def _empty(office: Office) -> None:
    office.file("iwf").write_bytes(b"")


def _edit(office: Office) -> None:
    raw = bytearray(office.file("iwf").read_bytes())
    raw[len(raw) // 2] ^= 1
    office.file("iwf").write_bytes(bytes(raw))


def _foreign(office: Office) -> None:
    office.file("iwf").write_bytes(Issuer().issue(["harmless.test"], sequence=99))


def _other_list(office: Office) -> None:
    office.file("iwf").write_bytes(office.file("ctiru").read_bytes())


def _swapped_category(office: Office) -> None:
    office.put("iwf", 2, category="terrorism")


def _unknown_category(office: Office) -> None:
    office.put("iwf", 2, category="games")


def _replay(office: Office) -> None:
    old = office.file("iwf").read_bytes()
    office.put("iwf", 5)
    office.look()
    office.file("iwf").write_bytes(old)


def _same_number(office: Office) -> None:
    office.put("iwf", 1, entries=["harmless.test"])


def _test_list(office: Office) -> None:
    office.put("iwf", 9, entries=["harmless.test"], purpose="test")


def _future(office: Office) -> None:
    office.put("iwf", 9, NOW + timedelta(days=300), entries=["harmless.test"])


def _folder(office: Office) -> None:
    office.file("iwf").unlink()
    office.file("iwf").mkdir()


def _pipe(office: Office) -> None:
    office.file("iwf").unlink()
    os.mkfifo(office.file("iwf"))


def _huge(office: Office) -> None:
    with office.file("iwf").open("wb") as stream:
        stream.truncate(LARGEST + 10)


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (_delete, "No such file"),
        (_truncate, "signature"),
        (_empty, "beginning"),
        (_edit, "signature"),
        (_foreign, "unknown key"),
        (_other_list, "unknown key"),
        (_swapped_category, "child-abuse"),
        (_unknown_category, "no statutory one"),
        (_replay, "older issue"),
        (_same_number, "another issue"),
        (_test_list, "test list"),
        (_future, "future"),
        (_folder, "no file"),
        (_pipe, "no file"),
        (_huge, "larger than"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_whatever_happens_to_the_file_what_was_in_force_stays_and_it_is_told(
    office: Office, attempt: Callable[[Office], None], said: str
) -> None:
    attempt(office)
    for _ in range(2):
        standing = office.look(LATER)
        assert blocked(standing, "iwf")
        assert blocked(standing, "ctiru")
        (problem,) = standing.problems(LATER)
        assert said in problem
        assert "list iwf" in problem
        office.restart()  # and the next process finds and says the same


def test_it_is_compliant_again_once_a_good_file_is_there(office: Office) -> None:
    _truncate(office)
    assert office.look(LATER).problems(LATER)
    office.put("iwf", 2, LATER)
    assert office.look(LATER).problems(LATER) == ()


# -- the copies under a running gateway, and while it is stopped -------------------------------------------------------


def test_a_copy_that_is_tampered_with_under_a_running_gateway_is_put_right(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    good = {file: file.read_bytes() for file in office.copies}
    changes: list[Callable[[Path], object]] = [
        lambda file: file.write_bytes(file.read_bytes()[:-1] + b"x"),
        lambda file: file.write_bytes(b""),
        lambda file: file.unlink(),
    ]
    for change in changes:
        for file in good:
            change(file)
        caplog.clear()
        with caplog.at_level(logging.CRITICAL):
            standing = office.look(LATER)
        assert blocked(standing, "iwf")
        assert "tampered" in caplog.text
        assert {file: file.read_bytes() for file in office.copies} == good


def test_a_state_that_is_edited_or_removed_under_a_running_gateway_changes_nothing(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    state = office.data / "statutory" / STATE
    good = state.read_text()
    for text in ("{}", "", good.replace('"sequence": 1', '"sequence": 0'), good.replace("true", "false"), None):
        state.unlink() if text is None else state.write_text(text)
        caplog.clear()
        with caplog.at_level(logging.CRITICAL):
            standing = office.look(NOW)
        assert standing.problems(NOW) == ()
        assert "changed by somebody else" in caplog.text
        assert state.read_text() == good


def test_a_copy_that_was_tampered_with_while_nothing_ran_is_not_served(office: Office) -> None:
    """The offered file is still good: it is taken again, by its number and checksum."""
    office.copies[0].write_bytes(b"x")
    office.copies[1].unlink()
    office.restart()
    standing = office.look(LATER)
    assert standing.problems(LATER) == ()
    assert blocked(standing, "iwf")


def test_with_the_copy_and_the_file_gone_nothing_is_in_force_and_an_old_issue_cannot_come_back(office: Office) -> None:
    old = office.file("iwf").read_bytes()
    office.put("iwf", 5)
    office.look()
    for file in (*office.copies, office.file("iwf")):
        file.unlink()
    office.restart()
    standing = office.look(LATER)
    assert "nothing of it is in force" in " ".join(standing.problems(LATER))
    office.file("iwf").write_bytes(old)
    standing = office.look(LATER)
    assert not blocked(standing, "iwf")
    assert "older issue" in " ".join(standing.problems(LATER))
    office.put("iwf", 6)
    assert blocked(office.look(LATER), "iwf")


def test_a_state_that_cannot_be_read_at_a_start_stops_the_start(office: Office) -> None:
    (office.data / "statutory" / STATE).write_text("{")
    office.restart()
    with pytest.raises(StatutoryError, match="cannot be read"):
        office.look(LATER)


def test_a_test_list_blocks_and_counts_for_nothing(tmp_path: Path) -> None:
    office = Office(tmp_path)
    for name in office.issuers:
        office.put(name, purpose="test")
    standing = office.look()
    assert blocked(standing, "iwf")
    assert "test list" in " ".join(standing.problems(NOW))
    office.put("iwf", 2)
    assert "list iwf" not in " ".join(office.look().problems(NOW)), "an issued list may follow a test list"


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_list_is_stale_after_a_day_and_keeps_blocking(office: Office) -> None:
    almost, day = NOW + timedelta(hours=23, minutes=59), NOW + timedelta(hours=24)
    assert office.look(almost).problems(almost) == ()
    standing = office.look(day)
    assert [("stale" in problem) for problem in standing.problems(day)] == [True, True]
    assert blocked(standing, "iwf")


def test_a_list_that_expired_is_told_and_keeps_blocking(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.put_all()
    office.put("iwf", lasts=timedelta(hours=2))
    assert office.look(LATER).problems(LATER) == ()
    over = NOW + timedelta(hours=2)
    standing = office.look(over)
    (problem,) = standing.problems(over)
    assert "expired" in problem
    assert blocked(standing, "iwf")


def test_checks_that_stopped_are_told(office: Office) -> None:
    assert "nothing was verified" in " ".join(office.keeper.standing.problems(NOW + timedelta(minutes=12)))


@pytest.mark.parametrize("words", ["stop", "continue"])
def test_the_school_says_whether_everything_stops(tmp_path: Path, words: str) -> None:
    office = Office(tmp_path)
    told = office.settings(when_missing=words)
    missing = office.look(settings=told)
    office.put_all()
    office.put("iwf", lasts=timedelta(hours=3))
    good = office.look(settings=told)
    if words == "continue":
        assert missing.closes_at is good.closes_at is None
        return
    assert missing.closes_at is not None
    assert missing.closes_at < NOW, "at once"
    assert good.closes_at == NOW + timedelta(hours=3), "when the first of them expires or is a day old"
    _truncate(office)
    assert office.look(settings=told).closes_at == good.closes_at, "a damaged file beside a good list closes nothing"


# -- for commands ------------------------------------------------------------------------------------------------------


def test_a_command_sees_what_the_gateway_has_and_before_the_first_start_what_it_would_have(tmp_path: Path) -> None:
    office = Office(tmp_path)
    office.put_all()
    settings = Settings(data=office.data, statutory=office.settings())
    assert standing_for(settings, NOW).problems(NOW) == ()
    assert not (office.data / "statutory").exists(), "looking writes nothing"
    office.look()
    office.put("iwf", 2)
    assert standing_for(settings, NOW).bundles["iwf"].header.sequence == 1, "as the gateway has it"
    office.copies[0].write_bytes(b"x")
    with pytest.raises(StatutoryError, match="tampered"):
        standing_for(settings, NOW)
    assert "tampered" in " ".join(standing_for(settings, NOW, strict=False).problems(NOW))


def test_looking_is_pure(office: Office) -> None:
    files = {file: file.read_bytes() for file in office.data.rglob("*") if file.is_file()}
    standing = office.keeper.standing
    first = look(office.settings(), standing.state, standing.bundles, LATER)
    assert first == look(office.settings(), standing.state, standing.bundles, LATER)
    assert look(StatutorySettings(), State(), {}, NOW)[1] == {}
    assert files == {file: file.read_bytes() for file in office.data.rglob("*") if file.is_file()}


def test_no_entry_is_anywhere_on_the_disk_of_the_gateway(office: Office) -> None:
    """Requirement F-06."""
    for file in office.data.rglob("*"):
        if file.is_file():
            for word in (b"filehost", b"bad-host", b"terror.test", b"listed"):
                assert word not in file.read_bytes(), file.name
