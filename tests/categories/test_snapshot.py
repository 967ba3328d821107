"""A snapshot is complete and checked, or it is not opened; a new one replaces the old by one rename.

Shows: `categories.stored`, `categories.model`.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from categories.model import EntryKind
from categories.names import canonical_url
from categories.snapshot import (
    PROBLEMS_KEPT,
    SnapshotError,
    build_snapshot,
    current_manifest,
    open_snapshot,
    snapshot_is_current,
    verify_snapshot,
)
from categories.sources import ListSource
from tests.categories.rig import OtherNames, domain_list, ut1_tree

NAMES = OtherNames({"adult": "pornography"})


def snapshots(folder: Path) -> set[str]:
    """Names of the snapshots on disk."""
    return {path.parent.name for path in folder.glob("*/manifest.json")}


def test_the_report_says_what_was_built(tmp_path: Path) -> None:
    """Lists, entries, problems with list, line and reason; and the result is in force."""
    sources = [
        ListSource("ut1", ut1_tree(tmp_path), "ut1"),
        domain_list(tmp_path, "games", "games.example", "not a domain", "", "# note", "more.example"),
    ]
    report = build_snapshot(sources, tmp_path / "lists", NAMES)
    assert report.entries == 8
    assert {status.name: (status.category, status.entries, status.problems) for status in report.lists} == {
        "ut1/adult": ("pornography", 2, 0),
        "ut1/child": ("child", 1, 0),
        "ut1/games": ("games", 1, 0),
        "ut1/large/domains.0": ("large", 1, 0),
        "ut1/large/domains.1": ("large", 1, 0),
        "games": ("games", 2, 1),
    }
    assert [(problem.list, problem.line, problem.text) for problem in report.problems] == [
        ("ut1/adult", 1, "expressions"),
        ("games", 2, "not a domain"),
    ]
    index = open_snapshot(tmp_path / "lists")
    assert index.revision == report.revision
    assert index.lists == report.lists
    assert [match.list for match in index.match(canonical_url("a.games.example"))] == ["ut1/games", "games"]
    assert [match.line for match in index.match(canonical_url("two.example"))] == [2]


def test_the_same_lists_give_the_same_revision(tmp_path: Path) -> None:
    """The revision is of the content: when it was built, and when a file was touched, do not count."""
    source = domain_list(tmp_path, "games", "games.example")
    first = build_snapshot([source], tmp_path / "one", NAMES)
    os.utime(source.path, (1, 1))
    second = build_snapshot([source], tmp_path / "two", NAMES)
    domain_list(tmp_path, "games", "games.example", "more.example")
    third = build_snapshot([source], tmp_path / "two", NAMES)
    assert first.revision == second.revision != third.revision


def test_no_lists_are_lists(tmp_path: Path) -> None:
    """A school that switches everything off has an index that finds nothing."""
    build_snapshot([], tmp_path, NAMES)
    index = open_snapshot(tmp_path)
    assert index.match(canonical_url("games.example/x")) == ()
    assert index.match_text("words") == ()
    assert index.lists == ()


def test_words_alone_are_lists(tmp_path: Path) -> None:
    """A snapshot with phrases and no hosts opens."""
    (tmp_path / "words.txt").write_text("rude word\n")
    build_snapshot([ListSource("words", tmp_path / "words.txt", "phrases")], tmp_path / "lists", NAMES)
    (match,) = open_snapshot(tmp_path / "lists").match_text("Rude word")
    assert (match.kind, match.line) == (EntryKind.PHRASE, 1)


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _longer(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def _flip(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw)


def _remove(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("name", ["manifest.json", "keys.trie", "rows.bin", "phrases.json"])
@pytest.mark.parametrize("harm", [_cut, _empty, _longer, _flip, _remove])
def test_a_damaged_snapshot_is_refused(tmp_path: Path, name: str, harm: Callable[[Path], None]) -> None:
    """One bit, one byte, a missing file: the error says what, where and what to do, and nothing is answered."""
    (tmp_path / "words.txt").write_text("rude word\n")
    sources = [domain_list(tmp_path, "games", "games.example"), ListSource("w", tmp_path / "words.txt", "phrases")]
    report = build_snapshot(sources, tmp_path / "lists", NAMES)
    harm(report.path / name)
    with pytest.raises(SnapshotError) as told:
        open_snapshot(tmp_path / "lists")
    assert str(report.path) in str(told.value.where)
    assert "lists update" in told.value.what_to_do
    build_snapshot(sources, tmp_path / "lists", NAMES)
    assert open_snapshot(tmp_path / "lists").revision == report.revision


def test_what_somebody_verified_is_not_read_again_and_nothing_else_is_trusted(tmp_path: Path) -> None:
    """The supervisor reads every byte once for its workers; another snapshot, or another size, is theirs to refuse."""
    folder = tmp_path / "lists"
    report = build_snapshot([domain_list(tmp_path, "games", "games.example")], folder, NAMES)
    mark = verify_snapshot(folder)
    assert mark == report.path.name
    _flip(report.path / "keys.trie")
    for refused in (verify_snapshot, open_snapshot, lambda where: open_snapshot(where, "f" * 24)):
        with pytest.raises(SnapshotError, match="SHA-256"):
            refused(folder)
    _flip(report.path / "keys.trie")
    assert open_snapshot(folder, mark).match(canonical_url("games.example"))
    for read_whole in ("phrases.json", "weighted.json"):
        _flip(report.path / read_whole)
        with pytest.raises(SnapshotError, match="SHA-256"):
            open_snapshot(folder, mark)
        _flip(report.path / read_whole)
    _longer(report.path / "keys.trie")
    with pytest.raises(SnapshotError, match="bytes long"):
        open_snapshot(folder, mark)
    build_snapshot([domain_list(tmp_path, "games", "games.example")], folder, NAMES)
    _flip(folder / verify_snapshot(folder) / "rows.bin")
    with pytest.raises(SnapshotError, match="SHA-256"):
        open_snapshot(folder, mark)  # the mark of the snapshot before


@pytest.mark.parametrize("pointer", [None, b"", b"../elsewhere\n", b"\xff\xfe", b"0123456789ab\n"])
def test_a_damaged_pointer_is_refused(tmp_path: Path, pointer: bytes | None) -> None:
    """No pointer, an empty one, one that leads elsewhere or nowhere."""
    build_snapshot([domain_list(tmp_path, "games", "games.example")], tmp_path / "lists", NAMES)
    if pointer is None:
        (tmp_path / "lists" / "current").unlink()
    else:
        (tmp_path / "lists" / "current").write_bytes(pointer)
    with pytest.raises(SnapshotError, match="lists update"):
        open_snapshot(tmp_path / "lists")


def test_a_snapshot_of_another_version_is_refused(tmp_path: Path) -> None:
    """A format we do not read is named, with the one we do."""
    from categories.stored import mark_of

    report = build_snapshot([], tmp_path, NAMES)
    manifest = json.loads((report.path / "manifest.json").read_text()) | {"format": "schoolgate-lists/99"}
    raw = json.dumps(manifest).encode()
    (report.path / "manifest.json").write_bytes(raw)
    report.path.rename(tmp_path / mark_of(raw))
    (tmp_path / "current").write_text(mark_of(raw))
    with pytest.raises(SnapshotError, match="schoolgate-lists/99"):
        open_snapshot(tmp_path)


def test_a_build_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    """Every source that cannot be read is named at once, and what was in force stays in force."""
    games = domain_list(tmp_path, "games", "games.example")
    before = build_snapshot([games], tmp_path / "lists", NAMES)
    missing = [ListSource("one", tmp_path / "one.txt"), ListSource("two", tmp_path / "two", "ut1")]
    with pytest.raises(SnapshotError, match=r"one\.txt is not there.*two is not a folder"):
        build_snapshot([games, *missing], tmp_path / "lists", NAMES)
    assert open_snapshot(tmp_path / "lists").revision == before.revision
    assert snapshots(tmp_path / "lists") == {before.path.name}
    assert not list((tmp_path / "lists").glob("building-*"))


def test_a_list_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """A file that goes away or may not be read is named, as what is missing from the start is."""
    source = domain_list(tmp_path, "games", "games.example")

    class Meanwhile(OtherNames):
        """Asked for a category just before the file is opened; takes the file away."""

        def resolve(self, alias: str) -> str | None:
            source.path.unlink()
            return alias

    with pytest.raises(SnapshotError, match=r"games\.txt.*stay as they are"):
        build_snapshot([source], tmp_path / "lists", Meanwhile())


def test_two_lists_of_one_name_are_refused(tmp_path: Path) -> None:
    """Evidence names a list; two of one name in different categories would blur it."""
    first = domain_list(tmp_path, "games", "games.example")
    second = ListSource("games", first.path, category="shopping")
    with pytest.raises(SnapshotError, match="two lists are called games"):
        build_snapshot([first, second], tmp_path / "lists", NAMES)


def test_readers_of_a_replaced_snapshot_keep_it(tmp_path: Path) -> None:
    """Two swaps later its files are gone from disk, and it still answers."""
    old_index = None
    for number in range(4):
        games = domain_list(tmp_path, "games", "games.example", *(f"n{n}.example" for n in range(number)))
        report = build_snapshot([games], tmp_path / "lists", NAMES)
        old_index = old_index or open_snapshot(tmp_path / "lists")
    assert old_index is not None
    assert [match.entry for match in old_index.match(canonical_url("x.games.example"))] == ["games.example"]
    assert not old_index.match(canonical_url("n0.example"))
    assert open_snapshot(tmp_path / "lists").match(canonical_url("n2.example"))
    assert len(snapshots(tmp_path / "lists")) == 2
    assert report.path.name in snapshots(tmp_path / "lists")


def test_opening_while_lists_are_swapped(tmp_path: Path) -> None:
    """Whatever the moment: the reader gets a whole snapshot, the old one or the new."""
    games = domain_list(tmp_path, "games", "games.example")
    build_snapshot([games], tmp_path / "lists", NAMES)
    finished = threading.Event()
    opened: list[bool] = []
    troubles: list[Exception] = []

    def read() -> None:
        while not finished.is_set():
            try:
                opened.append(bool(open_snapshot(tmp_path / "lists").match(canonical_url("games.example"))))
            except Exception as trouble:
                troubles.append(trouble)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(100):
        build_snapshot([games], tmp_path / "lists", NAMES)
    finished.set()
    for reader in readers:
        reader.join(30)
    assert not troubles
    assert opened
    assert all(opened)


def test_what_an_interrupted_build_left_is_cleared(tmp_path: Path) -> None:
    """A builder that was killed leaves a folder nobody opens; the next one removes it."""
    left = tmp_path / "building-killed" / "new"
    left.mkdir(parents=True)
    (left / "keys.trie").write_bytes(b"half")
    build_snapshot([], tmp_path, NAMES)
    assert not left.parent.exists()


def test_builds_side_by_side_take_turns(tmp_path: Path) -> None:
    """`run` and `lists update` at once: both succeed, and what is in force is whole."""
    sources = [domain_list(tmp_path, f"list{n}", "games.example", f"n{n}.example") for n in range(4)]
    builders = [
        threading.Thread(target=build_snapshot, args=([source], tmp_path / "lists", NAMES)) for source in sources
    ]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join(30)
    assert open_snapshot(tmp_path / "lists").match(canonical_url("games.example"))


def test_staleness_can_be_seen_without_opening(tmp_path: Path) -> None:
    """Changed, damaged or absent: not current."""
    source = domain_list(tmp_path, "games", "games.example")
    assert not snapshot_is_current(tmp_path / "lists", [source])
    build_snapshot([source], tmp_path / "lists", NAMES)
    assert snapshot_is_current(tmp_path / "lists", [source])
    assert current_manifest(tmp_path / "lists")["lists"][0]["name"] == "games"
    domain_list(tmp_path, "games", "games.example", "more.example")
    assert not snapshot_is_current(tmp_path / "lists", [source])


def test_problems_are_counted_whole_and_kept_in_part(tmp_path: Path) -> None:
    """A list of rubbish does not fill the memory."""
    source = domain_list(tmp_path, "rubbish", *["not a domain"] * (PROBLEMS_KEPT + 50), "games.example")
    report = build_snapshot([source], tmp_path / "lists", NAMES)
    assert report.lists[0].problems == PROBLEMS_KEPT + 50
    assert len(report.problems) == PROBLEMS_KEPT + 1
    assert "more problems" in report.problems[-1].why
    assert report.entries == 1
