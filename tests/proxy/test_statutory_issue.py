"""The issuer's side: a key nobody else reads, a bundle of every line or none, no word of an entry in any message."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import pytest

from categories.statutory_bundle import Issue, open_bundle, read_public_key
from proxy.privatefile import NotPrivate
from proxy.statutory_issue import IssueProblem, issue_bundle, load_key, make_key, read_entries
from tests.categories.statutory_rig import NOW

ISSUE = Issue("Dummy list", "child-abuse", 7, NOW, NOW + timedelta(hours=72), "test")


def test_a_key_pair_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "issuer.pem"
    public = make_key(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_key(file).public_key().public_bytes_raw() == read_public_key(public)
    with pytest.raises(IssueProblem, match="never overwritten"):
        make_key(file)


def test_a_key_that_others_could_read_signs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "issuer.pem"
    make_key(file)
    file.chmod(0o644)
    with pytest.raises(NotPrivate, match="chmod"):
        load_key(file)


def test_what_is_no_key_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "issuer.pem"
    file.write_text("not a key")
    file.chmod(0o600)
    with pytest.raises(IssueProblem, match="keygen"):
        load_key(file)


def test_a_list_has_comments_and_blank_lines() -> None:
    assert len(read_entries(["# dummy", "", "bad.test", "  www.bad.example/a?b=1 \n"], reserved_only=True)) == 2


@pytest.mark.parametrize("host", ["bad.test", "bad.example.org", "x.invalid", "192.0.2.9", "2001:db8::1"])
def test_hosts_that_are_nobodys_may_stand_in_a_test_list(host: str) -> None:
    assert len(read_entries([host], reserved_only=True)) == 1


@pytest.mark.parametrize("host", ["secret-real.com", "notexample.org", "8.8.8.8", "2001:4860::1", "secret.testing"])
def test_hosts_that_are_somebodys_may_not(host: str) -> None:
    with pytest.raises(IssueProblem, match="line 1") as caught:
        read_entries([host], reserved_only=True)
    assert host not in str(caught.value)
    assert len(read_entries([host], reserved_only=False)) == 1


def test_every_bad_line_is_named_by_its_number_and_none_is_repeated() -> None:
    lines = ["good.test", "secret place", "secret\udcff.test", *["co.uk"] * 30]
    with pytest.raises(IssueProblem) as caught:
        read_entries(lines, reserved_only=False)
    assert "line 2:" in str(caught.value)
    assert "and 12 more" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_bundle_is_written_whole_for_its_owner_only(tmp_path: Path) -> None:
    make_key(tmp_path / "issuer.pem")
    private = load_key(tmp_path / "issuer.pem")
    raw = issue_bundle(read_entries(["bad.test"], reserved_only=True), ISSUE, private, tmp_path / "iwf.bundle")
    assert (tmp_path / "iwf.bundle").read_bytes() == raw
    assert stat.S_IMODE((tmp_path / "iwf.bundle").stat().st_mode) == 0o600
    assert open_bundle(raw, private.public_key().public_bytes_raw()).header.sequence == 7
    assert sorted(file.name for file in tmp_path.iterdir()) == ["issuer.pem", "iwf.bundle"]


def test_a_category_that_is_not_statutory_is_refused_with_those_that_are(tmp_path: Path) -> None:
    make_key(tmp_path / "issuer.pem")
    issue = Issue("Dummy list", "games", 1, NOW, NOW + timedelta(hours=1))
    with pytest.raises(IssueProblem, match="terrorism"):
        issue_bundle(
            read_entries(["bad.test"], reserved_only=True), issue, load_key(tmp_path / "issuer.pem"), tmp_path / "x"
        )
    assert not (tmp_path / "x").exists()
