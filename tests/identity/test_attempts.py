"""A pupil cannot guess a teacher's password, and cannot lock the teacher out either."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from identity.attempts import ACCOUNT_HERE, ADDRESS, NO_WAIT, Attempts, Limit

AT = datetime(2026, 11, 17, 10, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong", "seconds"),
    [(0, 0), (5, 0), (6, 1), (7, 2), (8, 4), (12, 64), (15, 512), (16, 900), (40, 900), (10**9, 900)],
)
def test_the_wait_doubles_up_to_its_longest(wrong: int, seconds: int) -> None:
    """Five guesses are free, then one second, two, four, to a quarter of an hour."""
    assert ACCOUNT_HERE.wait(wrong) == timedelta(seconds=seconds)


def guess(attempts: Attempts, name: str, address: str, times: int, at: datetime = AT) -> timedelta:
    wait = NO_WAIT
    for _ in range(times):
        wait = attempts.failed(name, address, at)
    return wait


def test_guessing_at_one_account_waits() -> None:
    """After the free guesses the account waits at this machine, and only there."""
    attempts = Attempts()
    assert guess(attempts, "teacher", "10.4.1.7", 5) == NO_WAIT
    assert guess(attempts, "teacher", "10.4.1.7", 3) == timedelta(seconds=4)
    assert attempts.wait("teacher", "10.4.1.7", AT) == timedelta(seconds=4)
    assert attempts.wait("teacher", "10.4.1.7", AT + timedelta(seconds=3)) == timedelta(seconds=1)
    assert attempts.wait("teacher", "10.4.1.7", AT + timedelta(seconds=4)) == NO_WAIT
    assert attempts.wait("teacher", "10.4.1.8", AT) == NO_WAIT
    assert attempts.wait("pupil-0417", "10.4.1.7", AT) == NO_WAIT


def test_a_quiet_hour_forgets() -> None:
    """Yesterday's guesses do not count today."""
    attempts = Attempts()
    guess(attempts, "teacher", "10.4.1.7", 20)
    later = AT + timedelta(hours=1, seconds=1)
    assert attempts.failed("teacher", "10.4.1.7", later) == NO_WAIT


def test_the_right_password_forgets_for_this_account_only() -> None:
    """A pupil's own sign-in does not wash away the guesses at others."""
    attempts = Attempts()
    guess(attempts, "pupil-0417", "10.4.1.7", 4)
    for number in range(ADDRESS.free):
        attempts.failed(f"staff-{number}", "10.4.1.7", AT)
    attempts.succeeded("pupil-0417", "10.4.1.7")
    assert attempts.wait("staff-0", "10.4.1.7", AT) > NO_WAIT


def test_one_machine_trying_the_whole_register_waits() -> None:
    """One guess at each of many accounts is guessing too."""
    attempts = Attempts()
    waits = [attempts.failed(f"pupil-{number}", "10.4.1.7", AT) for number in range(ADDRESS.free + 3)]
    assert waits[: ADDRESS.free] == [NO_WAIT] * ADDRESS.free
    assert waits[-1] == timedelta(seconds=4)


def test_a_class_cannot_lock_its_teacher_out() -> None:
    """However many machines guess at an account, a machine that has not guessed is looked at at once."""
    attempts = Attempts()
    for number in range(500):
        attempts.failed("teacher", f"10.4.1.{number % 40}", AT)
    assert attempts.wait("teacher", "10.4.1.7", AT) > NO_WAIT
    assert attempts.wait("teacher", "10.4.9.3", AT) == NO_WAIT


def test_one_guesser_does_not_close_a_shared_address() -> None:
    """Who signed in at an address before is let in whatever others there try; a stranger waits seconds, not minutes."""
    attempts = Attempts()
    attempts.succeeded("pupil-0417", "10.4.1.7")
    for number in range(500):
        attempts.failed(f"invented-{number}", "10.4.1.7", AT)
    assert attempts.wait("pupil-0417", "10.4.1.7", AT) == NO_WAIT
    assert NO_WAIT < attempts.wait("pupil-0999", "10.4.1.7", AT) <= timedelta(seconds=10)


def test_the_longest_wait_is_bounded() -> None:
    """However long somebody guesses, nobody waits longer than the limit."""
    attempts = Attempts()
    assert guess(attempts, "teacher", "10.4.1.7", 200) == ACCOUNT_HERE.longest
    assert Limit(free=0, longest=timedelta(seconds=3)).wait(99) == timedelta(seconds=3)


def test_counts_are_bounded() -> None:
    """A flood of invented names takes no more room than the limit, and does not hide its own address."""
    attempts = Attempts(size=50)
    for number in range(1000):
        attempts.failed(f"invented-{number}", "10.4.1.7", AT)
    assert len(attempts._counts) == 50
    assert attempts.wait("teacher", "10.4.1.7", AT) > NO_WAIT
