"""A pupil cannot guess a teacher's password, and cannot lock the teacher out either."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from identity.attemptbook import WAYS, AttemptBook, region
from identity.attempts import ACCOUNT_HERE, ACCOUNT_NEAR, ADDRESS, NETWORK, NO_WAIT, Attempts, Limit

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
    attempts.succeeded("pupil-0417", "10.4.1.7", AT)
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
    attempts.succeeded("pupil-0417", "10.4.1.7", AT)
    for number in range(500):
        attempts.failed(f"invented-{number}", "10.4.1.7", AT)
    assert attempts.wait("pupil-0417", "10.4.1.7", AT) == NO_WAIT
    assert NO_WAIT < attempts.wait("pupil-0999", "10.4.1.7", AT) <= timedelta(seconds=10)


def test_a_new_address_for_each_guess_gains_little() -> None:
    """One device with an IPv6 network of its own waits as one, at one account and at the whole register."""
    attempts = Attempts()
    waits = [attempts.failed("teacher", f"2001:db8:0:7::{number:x}", AT) for number in range(1, 31)]
    assert waits[: ACCOUNT_NEAR.free] == [NO_WAIT] * ACCOUNT_NEAR.free
    assert waits[-1] == ACCOUNT_NEAR.longest
    assert attempts.wait("teacher", "2001:db8:0:7:ffff::9", AT) == ACCOUNT_NEAR.longest
    assert attempts.wait("teacher", "2001:db8:0:8::9", AT) == NO_WAIT
    for number in range(NETWORK.free):
        attempts.failed(f"pupil-{number}", f"2001:db8:0:7::1:{number:x}", AT)
    assert NO_WAIT < attempts.wait("nobody-yet", "2001:db8:0:7::2", AT) <= NETWORK.longest


def test_one_ipv6_address_waits_alone() -> None:
    """Whoever tries the register from one address waits as on IPv4, and no neighbour of the network with them."""
    attempts = Attempts()
    waits = [attempts.failed(f"pupil-{number}", "2001:db8:0:7::5", AT) for number in range(ADDRESS.free + 3)]
    assert waits == [NO_WAIT] * ADDRESS.free + [timedelta(seconds=seconds) for seconds in (1, 2, 4)]
    assert attempts.wait("teacher", "2001:db8:0:7::6", AT) == NO_WAIT


def test_a_school_in_one_ipv6_network_signs_in_while_it_mistypes() -> None:
    """Fifteen hundred pupils of one network, each with an address, every tenth wrong once or twice: nobody waits."""
    attempts = Attempts()
    for number in range(1500):
        name, address, at = f"pupil-{number}", f"2001:db8:0:7::{number + 1:x}", AT + timedelta(seconds=number / 5)
        for _ in range(1 + number % 2 if number % 10 < 2 else 0):
            assert attempts.failed(name, address, at) == NO_WAIT
        assert attempts.wait(name, address, at) == NO_WAIT
        attempts.succeeded(name, address, at)


def test_a_name_known_in_the_network_does_not_wait_for_what_is_tried_with_others() -> None:
    """A guesser with many addresses holds up names that are new there, and no others; each name keeps its own guard,
    which no right password of its owner loosens."""
    attempts = Attempts()
    attempts.succeeded("teacher", "2001:db8:0:7::5", AT)
    for number in range(NETWORK.free + 9):
        attempts.failed(f"invented-{number}", f"2001:db8:0:7::1:{number:x}", AT)
    assert attempts.wait("teacher", "2001:db8:0:7::6", AT) == NO_WAIT
    assert NO_WAIT < attempts.wait("pupil-0417", "2001:db8:0:7::6", AT) <= NETWORK.longest
    assert attempts.wait("teacher", "2001:db8:0:7::1:3", AT) == NO_WAIT
    for number in range(ACCOUNT_NEAR.free + 9):
        attempts.failed("teacher", f"2001:db8:0:7::2:{number:x}", AT)
    attempts.succeeded("teacher", "2001:db8:0:7::5", AT)
    assert attempts.wait("teacher", "2001:db8:0:7::6", AT) == ACCOUNT_NEAR.longest


def test_a_neighbour_of_one_ipv6_network_cannot_lock_its_teacher_out() -> None:
    """Where the teacher signed in before nobody waits; anywhere else in that network a minute at most."""
    attempts = Attempts()
    attempts.succeeded("teacher", "2001:db8:0:7::5", AT)
    for number in range(500):
        attempts.failed("teacher", f"2001:db8:0:7::{number + 16:x}", AT)
    assert attempts.wait("teacher", "2001:db8:0:7::5", AT) == NO_WAIT
    assert NO_WAIT < attempts.wait("teacher", "2001:db8:0:7::6", AT) <= timedelta(minutes=1)


def test_the_longest_wait_is_bounded() -> None:
    """However long somebody guesses, nobody waits longer than the limit."""
    attempts = Attempts()
    assert guess(attempts, "teacher", "10.4.1.7", 200) == ACCOUNT_HERE.longest
    assert Limit(free=0, longest=timedelta(seconds=3)).wait(99) == timedelta(seconds=3)


def test_counts_are_bounded() -> None:
    """A flood of invented names takes no more room than the limit, and does not hide its own address."""
    room = memoryview(bytearray(region(places=6)))
    attempts = Attempts(AttemptBook(room, places=6))
    for number in range(1000):
        attempts.failed(f"invented-{number}", "10.4.1.7", AT + timedelta(seconds=number))
    kept = sum(bool(attempts._book.read(f"invented-{number}", "10.4.1.7")) for number in range(1000))
    assert 6 < kept < 6 * WAYS
    assert attempts.wait("teacher", "10.4.1.7", AT + timedelta(seconds=1000)) > NO_WAIT


def two_workers() -> tuple[Attempts, Attempts]:
    room = memoryview(bytearray(region() * 2))
    return Attempts(AttemptBook(room, 0)), Attempts(AttemptBook(room, 1))


def test_guesses_at_all_workers_count_together() -> None:
    """Whoever is sent to another worker each time guesses no more often."""
    one, two = two_workers()
    waits = [each.failed("teacher", "10.4.1.7", AT) for _ in range(4) for each in (one, two)]
    assert waits == [NO_WAIT] * 5 + [timedelta(seconds=seconds) for seconds in (1, 2, 4)]
    assert one.wait("teacher", "10.4.1.7", AT) == two.wait("teacher", "10.4.1.7", AT) == timedelta(seconds=4)
    assert two.wait("teacher", "10.4.1.8", AT) == NO_WAIT


def test_the_right_password_at_one_worker_forgets_at_all() -> None:
    """And whoever signed in at one of them is no stranger at the others."""
    one, two = two_workers()
    for number in range(60):
        one.failed(f"invented-{number}", "10.4.1.7", AT)
    guess(one, "pupil-0417", "10.4.1.7", 7)
    two.succeeded("pupil-0417", "10.4.1.7", AT + timedelta(seconds=30))
    later = AT + timedelta(seconds=31)
    assert one.wait("pupil-0417", "10.4.1.7", later) == NO_WAIT
    assert one.failed("pupil-0417", "10.4.1.7", later) == NO_WAIT
    assert guess(two, "pupil-0417", "10.4.1.7", 5, later) == timedelta(seconds=1)


def test_a_clock_that_was_ahead_closes_nothing_and_opens_nothing() -> None:
    """What it wrote for next year is forgotten, and a right password of next year clears no guess of today."""
    one, two = two_workers()
    ahead = AT + timedelta(days=365)
    guess(one, "teacher", "10.4.1.7", 20, ahead)
    assert two.wait("teacher", "10.4.1.7", AT) == NO_WAIT
    one.succeeded("teacher", "10.4.1.7", ahead)
    assert guess(two, "teacher", "10.4.1.7", 8) == timedelta(seconds=4)
