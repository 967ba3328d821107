"""Export files are private, whole or absent, and never written over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logstore.exportbook import hash_file
from logstore.exportfile import CannotWrite, ExportFile, check_manifest, write_manifest


def test_a_finished_file_is_private_and_known_by_its_hash(tmp_path: Path) -> None:
    with ExportFile(tmp_path / "a") as file:
        file.write("header\n", count=False)
        file.write("row é\n")
        written = file.finish()
    assert (tmp_path / "a").read_text() == "header\nrow é\n"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600
    assert (written.lines, written.bytes, written.sha256) == (1, 14, hash_file(tmp_path / "a"))


def test_what_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), ExportFile(tmp_path / "a") as file:
        file.write("row\n")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_nothing_is_written_over(tmp_path: Path, when: str) -> None:
    if when == "before":
        (tmp_path / "a").write_text("mine")
    with pytest.raises(CannotWrite, match="nothing is written over"), ExportFile(tmp_path / "a") as file:
        (tmp_path / "a").write_text("mine")
        file.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "mine"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="there is no folder"):
        ExportFile(tmp_path / "no" / "a")


def test_a_manifest_finds_what_was_changed_or_lost(tmp_path: Path) -> None:
    with ExportFile(tmp_path / "a") as file:
        file.write("row\n")
        written = file.finish()
    manifest = write_manifest(tmp_path / "a", (written,), {"subject": "CASE-1"})
    assert manifest.path == tmp_path / "a.manifest.json"
    assert json.loads(manifest.path.read_text())["subject"] == "CASE-1"
    assert check_manifest(manifest.path) == ()
    (tmp_path / "a").write_text("tow\n")
    assert check_manifest(manifest.path) == ("a is not what was written",)
    (tmp_path / "a").unlink()
    assert check_manifest(manifest.path) == ("a is missing",)
