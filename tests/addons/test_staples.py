"""What counts as a CA's word that a certificate was revoked."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from addons.staples import REVOKED, in_words, is_revoked
from tests.rig.certificates import Authority
from tests.rig.staples import answer


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(Path(tmp_path_factory.mktemp("stapled")))


@pytest.mark.parametrize(("word", "closes"), [("revoked", True), ("good", False), ("unknown", False)])
def test_only_revoked_is_revoked(authority: Authority, word: str, closes: bool) -> None:
    leaf = authority.leaf("shop.example")
    assert is_revoked(answer(authority, leaf, word), leaf.serial_number) is closes


def test_what_is_said_of_another_certificate_does_not_count(authority: Authority) -> None:
    theirs = answer(authority, authority.leaf("shop.example"), "revoked")
    assert not is_revoked(theirs, authority.leaf("school.example").serial_number)


def test_a_ca_that_has_no_answer_says_nothing(authority: Authority) -> None:
    """`tryLater`, a whole OCSP answer by RFC 6960 §4.2.1."""
    assert not is_revoked(bytes.fromhex("30030a0103"), authority.leaf("shop.example").serial_number)


@given(noise=st.binary(max_size=300), cut=st.integers(0, 400))
def test_noise_says_nothing_and_breaks_nothing(authority: Authority, noise: bytes, cut: int) -> None:
    leaf = authority.leaf("shop.example")
    assert not is_revoked(noise, leaf.serial_number)
    is_revoked(answer(authority, leaf, "revoked")[:cut] + noise, leaf.serial_number)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("OpenSSL Error([('SSL routines', '', 'invalid status response')])", REVOKED),
        ("The remote server does not speak TLS.", "The remote server does not speak TLS."),
        (None, None),
    ],
)
def test_a_handshake_that_ended_for_it_is_called_so(trouble: str | None, told: str | None) -> None:
    assert in_words(trouble) == told


def test_whatever_the_parser_raises_says_nothing(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a callback of OpenSSL nobody would catch it."""

    def overflows(_: bytes) -> None:
        raise OverflowError

    stapled = answer(authority, authority.leaf("shop.example"), "revoked")
    monkeypatch.setattr(ocsp, "load_der_ocsp_response", overflows)
    assert not is_revoked(stapled, authority.leaf("shop.example").serial_number)
