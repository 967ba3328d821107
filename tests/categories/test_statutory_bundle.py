"""A bundle is taken whole, from its issuer, or not at all; and nobody can read it."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from categories.statutory_bundle import (
    HOST,
    MAGIC,
    PAGES,
    QUERIES,
    BundleProblem,
    Keyed,
    key_id,
    open_bundle,
    peek,
    public_key_text,
    read_public_key,
)
from categories.statutory_forms import host_form, page_form, read_entry
from tests.categories.statutory_rig import ENTRIES, ISSUER, NOW, Issuer

RAW = ISSUER.issue()


def test_a_bundle_says_who_what_and_when_in_plain_text_and_its_entries_to_nobody() -> None:
    header = open_bundle(RAW, ISSUER.public).header
    assert (header.list, header.category, header.sequence) == ("Dummy list of child-abuse", "child-abuse", 1)
    assert (header.created, header.expires) == (NOW, NOW + timedelta(days=7))
    assert header.counts == {"host": 2, "page": 1, "below": 1, "query": 2}
    assert header.entries == len(ENTRIES)
    assert header.key_id == key_id(ISSUER.public)
    for entry in ENTRIES:
        for word in (entry, entry.partition("/")[0], *entry.split("/")[1:2]):
            assert word.encode() not in RAW, "an entry can be read"


def test_every_entry_can_be_asked_for() -> None:
    bundle = open_bundle(RAW, ISSUER.public)
    rows = [bundle.row(read_entry(entry).form) for entry in ENTRIES]
    assert min(rows) >= 0
    assert len(set(rows)) == len(ENTRIES)
    assert bundle.row(page_form("filehost.test", "/dir/other")) == -1
    assert bundle.marks(bundle.row(host_form("bad-host.test"))) == HOST
    assert bundle.marks(bundle.row(host_form("filehost.test"))) == PAGES | QUERIES
    assert bundle.marks(-1) == 0


def test_two_bundles_of_the_same_entries_have_nothing_in_common() -> None:
    """Each has a key of its own, so that yesterday's and today's cannot be laid side by side."""
    first, second = ISSUER.issue(), ISSUER.issue()
    table = slice(len(first) - 64 - 17 * open_bundle(first, ISSUER.public).header.rows, -64)
    pieces = {first[table][at : at + 8] for at in range(0, len(ENTRIES) * 8, 8)}
    assert not any(piece in second for piece in pieces)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=300))
def test_the_hash_is_hmac_sha_256(key: bytes, text: bytes) -> None:
    """RFC 2104, against the standard library's."""
    assert Keyed(key).digest(text) == hmac.digest(key, text, hashlib.sha256)[:16]


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        Keyed(b"short")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(RAW) - 1), st.integers(1, 255))
def test_a_bundle_with_any_octet_changed_is_refused(at: int, change: int) -> None:
    damaged = bytearray(RAW)
    damaged[at] ^= change
    with pytest.raises(BundleProblem):
        open_bundle(bytes(damaged), ISSUER.public)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(RAW) - 1))
def test_a_bundle_cut_short_is_refused(size: int) -> None:
    with pytest.raises(BundleProblem):
        open_bundle(RAW[:size], ISSUER.public)


@pytest.mark.parametrize("more", [b"\0", RAW, b"x" * 17])
def test_a_bundle_with_something_behind_it_is_refused(more: bytes) -> None:
    with pytest.raises(BundleProblem):
        open_bundle(RAW + more, ISSUER.public)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_bundle_are_refused_and_nothing_else_happens(raw: bytes) -> None:
    for tried in (raw, MAGIC + raw):
        with pytest.raises(BundleProblem):
            open_bundle(tried, ISSUER.public)
        assert isinstance(peek(tried), dict)


def test_a_stranger_s_bundle_is_refused_and_both_keys_are_named() -> None:
    stranger = Issuer()
    with pytest.raises(BundleProblem, match="unknown key") as caught:
        open_bundle(stranger.issue(), ISSUER.public)
    assert key_id(stranger.public) in str(caught.value)
    assert key_id(ISSUER.public) in str(caught.value)


def test_a_stranger_who_claims_the_issuer_s_key_is_refused() -> None:
    raw = Issuer().issue()
    claimed = raw.replace(peek(raw)["key_id"].encode(), key_id(ISSUER.public).encode())
    with pytest.raises(BundleProblem, match="signature is wrong"):
        open_bundle(claimed, ISSUER.public)


def test_a_bundle_without_a_trusted_key_is_never_taken() -> None:
    with pytest.raises(BundleProblem):
        open_bundle(RAW)


def test_one_of_several_trusted_keys_is_enough() -> None:
    assert open_bundle(RAW, Issuer().public, ISSUER.public).digest == hashlib.sha256(RAW).hexdigest()


def test_an_empty_list_is_never_made() -> None:
    """It would close nothing and look like a list."""
    with pytest.raises(BundleProblem, match="no entry"):
        ISSUER.issue([])


def signed(header: dict[str, object], table: bytes = b"") -> bytes:
    """A bundle with any header, properly signed: what an issuer's broken tool could make."""
    said = json.dumps(header).encode()
    body = MAGIC + len(said).to_bytes(4) + said + table
    return body + ISSUER.private.sign(b"schoolgate statutory bundle 1\0" + body)


GOOD = peek(RAW)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "schoolgate-statutory/2"},
        {"sequence": -1},
        {"sequence": "7"},
        {"sequence": True},
        {"created": "2026-11-24T10:20:00"},
        {"expires": GOOD["created"]},
        {"purpose": "fun"},
        {"category": ""},
        {"salt": "00"},
        {"salt": "no hex"},
        {"rows": 3},
        {"counts": {}},
        {"counts": []},
        {"successor": "not a key"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_a_signed_header_that_makes_no_sense_is_refused_all_the_same(change: dict[str, object]) -> None:
    table = RAW[-64 - 17 * GOOD["rows"] : -64]
    assert open_bundle(signed(GOOD, table), ISSUER.public).header.rows == GOOD["rows"]
    with pytest.raises(BundleProblem):
        open_bundle(signed(GOOD | change, table), ISSUER.public)


@pytest.mark.parametrize("said", [b"[]", b"7", b"{}", b"\xff", b"null"])
def test_a_signed_header_that_is_no_header_is_refused(said: bytes) -> None:
    body = MAGIC + len(said).to_bytes(4) + said
    raw = body + ISSUER.private.sign(b"schoolgate statutory bundle 1\0" + body)
    with pytest.raises(BundleProblem):
        open_bundle(raw, ISSUER.public)


def test_a_table_out_of_order_is_refused_because_it_would_be_searched_in_vain() -> None:
    rows = GOOD["rows"]
    table = RAW[-64 - 17 * rows : -64]
    turned = table[8 : 8 * rows] + table[:8] + table[8 * rows :]
    with pytest.raises(BundleProblem, match="order"):
        open_bundle(signed(GOOD, turned), ISSUER.public)


def test_a_public_key_is_written_in_one_way_and_read_with_or_without_its_prefix() -> None:
    text = public_key_text(ISSUER.public)
    assert text.startswith("ed25519:")
    assert read_public_key(text) == read_public_key(text.removeprefix("ed25519:")) == ISSUER.public


@pytest.mark.parametrize("text", ["", "ed25519:", "ed25519:AAAA", "rsa:" + "A" * 44, "ed25519:" + "ü" * 44])
def test_what_is_no_public_key_is_refused_with_what_would_have_been_right(text: str) -> None:
    with pytest.raises(ValueError, match="ed25519"):
        read_public_key(text)
