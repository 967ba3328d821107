"""What an update changed: how many entries came and went, and some of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from categories.changes import SAMPLES, compare
from categories.sources import ListSource
from categories.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy()


def version(folder: Path, name: str, *lines: str) -> ListSource:
    file = folder / name
    file.write_text("\n".join(lines) + "\n")
    return ListSource("games", file, "domains", "games")


def test_order_and_doubles_are_no_change(tmp_path: Path) -> None:
    old = version(tmp_path, "old", "a.example", "b.example", "# a word")
    new = version(tmp_path, "new", "B.Example", "c.example", "b.example", "not a host")
    changes = compare(old, new, TAXONOMY, tmp_path)
    assert (changes.before, changes.after, changes.added, changes.removed) == (2, 3, 1, 1)
    assert (changes.added_sample, changes.removed_sample) == (["games: c.example"], ["games: a.example"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new", "old"]


def test_a_first_version_is_all_new(tmp_path: Path) -> None:
    changes = compare(None, version(tmp_path, "new", *(f"h{n}.example" for n in range(100))), TAXONOMY, tmp_path)
    assert (changes.added, changes.removed, len(changes.added_sample)) == (100, 0, SAMPLES)


def test_a_version_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="is not there"):
        compare(None, ListSource("games", tmp_path / "absent", "domains", "games"), TAXONOMY, tmp_path)


HOSTS = st.sets(st.integers(0, 200).map(lambda n: f"h{n}.example"), max_size=60)


@settings(deadline=None)
@given(HOSTS, HOSTS)
def test_it_is_what_sets_would_say(tmp_path_factory: pytest.TempPathFactory, old: set[str], new: set[str]) -> None:
    folder = tmp_path_factory.mktemp("versions")
    changes = compare(version(folder, "old", *old), version(folder, "new", *new), TAXONOMY, folder)
    assert (changes.added, changes.removed) == (len(new - old), len(old - new))
