"""One-time codes: the vectors of RFC 4226 and RFC 6238, drift, and that none works twice."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from console.totp import STEP, address, check, code_at, new_secret, step_of

KEY = b"12345678901234567890"
SECRET = base64.b32encode(KEY).decode()


@pytest.mark.parametrize(
    ("step", "code"),
    [*enumerate(("755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"))],
)
def test_rfc_4226_appendix_d(step: int, code: str) -> None:
    assert code_at(KEY, step) == code


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1111111109, "07081804"),
        (1111111111, "14050471"),
        (1234567890, "89005924"),
        (2000000000, "69279037"),
        (20000000000, "65353130"),
    ],
)
def test_rfc_6238_appendix_b(seconds: int, code: str) -> None:
    assert code_at(KEY, seconds // STEP, digits=8) == code


def test_a_phone_may_be_half_a_minute_off_and_no_more() -> None:
    now = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
    step = step_of(now)
    for off in (-1, 0, 1):
        assert check(SECRET, code_at(KEY, step + off), now, 0) == step + off
    for off in (-2, 2):
        assert check(SECRET, code_at(KEY, step + off), now, 0) is None


def test_a_code_works_once_and_an_older_one_no_more() -> None:
    now = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
    step = step_of(now)
    used = check(SECRET, code_at(KEY, step), now, 0)
    assert used == step
    assert check(SECRET, code_at(KEY, step), now, used) is None
    assert check(SECRET, code_at(KEY, step - 1), now, used) is None


@pytest.mark.parametrize("typed", ["", "12345", "abcdef", "１２３４５６", "000000 OR 1=1", "\ud800"])
def test_what_is_no_code(typed: str) -> None:
    assert check(SECRET, typed, datetime(2026, 11, 24, tzinfo=UTC), 0) is None


def test_spaces_in_a_code_do_not_matter() -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    code = code_at(KEY, step_of(now))
    assert check(SECRET, f" {code[:3]} {code[3:]} ", now, 0) is not None


def test_a_secret_is_new_each_time_and_the_address_carries_it() -> None:
    one, other = new_secret(), new_secret()
    assert one != other
    assert len(base64.b32decode(one)) == 20
    assert address(one, "head teacher").startswith("otpauth://totp/Schoolgate:head%20teacher?secret=" + one)
