"""Export files are private, whole or absent, and never written over.

Shows: `logstore.aside`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from logstore.aside import aside_of, is_being_written, leftover_of, remove_leftover
from logstore.exportbook import hash_file
from logstore.exportfile import CannotWrite, ExportFile, check_manifest, manifest_of, manifest_text


def test_a_finished_file_is_private_and_known_by_its_hash(tmp_path: Path) -> None:
    with ExportFile(tmp_path / "a") as file:
        file.write("header\n", count=False)
        file.write("row é\n")
        written = file.finish()
        file.put()
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
        file.put()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "mine"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="there is no folder"):
        ExportFile(tmp_path / "no" / "a")


def test_a_manifest_finds_what_was_changed_or_lost(tmp_path: Path) -> None:
    with ExportFile(tmp_path / "a") as file:
        file.write("row\n")
        written = file.finish()
        file.put()
    manifest = manifest_of(tmp_path / "a")
    assert manifest == tmp_path / "a.manifest.json"
    manifest.write_text(manifest_text((written,), {"subject": "CASE-1"}))
    assert json.loads(manifest.read_text())["subject"] == "CASE-1"
    assert check_manifest(manifest) == ()
    (tmp_path / "a").write_text("tow\n")
    assert check_manifest(manifest) == ("a is not what was written",)
    (tmp_path / "a").unlink()
    assert check_manifest(manifest) == ("a is missing",)


def test_what_a_dead_writer_left_is_in_nobody_s_way(tmp_path: Path) -> None:
    """It has no lock any more; what somebody is writing has one."""
    aside_of(tmp_path / "a").write_text("half a pupil's")
    assert leftover_of(tmp_path / "a") == aside_of(tmp_path / "a")
    with ExportFile(tmp_path / "a") as file:
        assert is_being_written(tmp_path / "a")
        assert leftover_of(tmp_path / "a") is None
        assert not remove_leftover(tmp_path / "a")
        with pytest.raises(CannotWrite, match="is being written by somebody else"):
            ExportFile(tmp_path / "a")
        file.write("row\n")
        file.finish()
        file.put()
    assert (tmp_path / "a").read_text() == "row\n"
    assert not is_being_written(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_is_taken_back_only_if_it_is_the_one(tmp_path: Path) -> None:
    with ExportFile(tmp_path / "a") as file:
        file.put()
        file.take_back()
        assert not (tmp_path / "a").exists()
        (tmp_path / "a").write_text("mine")
        file.take_back()
    assert (tmp_path / "a").read_text() == "mine"
