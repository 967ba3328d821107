"""Where lists come from: files, folders, and a cheap mark that tells when they changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from categories.model import Problem
from categories.sources import ListFile, ListSource, list_files, source_fingerprint, starter_sources
from tests.categories.rig import OtherNames, domain_list, ut1_tree


@pytest.mark.parametrize(
    ("source", "category"),
    [
        (ListSource("own", Path("games.txt")), "games"),
        (ListSource("own", Path("games.txt"), category="shopping"), "shopping"),
        (ListSource("own", Path("games.txt"), category="jeux"), "games"),
        (ListSource("own", Path("games.txt"), categories={"games": "video"}), "video"),
        (ListSource("own", Path("games.txt"), category="help"), "help"),
        (ListSource("own", Path("help.txt")), "help-of-others"),
    ],
)
def test_the_category_of_a_file(tmp_path: Path, source: ListSource, category: str) -> None:
    """The one that is configured, by our name for it; else the file's name."""
    (tmp_path / source.path).write_text("games.example\n")
    files = list(list_files(replace(source, path=tmp_path / source.path), OtherNames({"jeux": "games"})))
    assert [file.category for file in files if isinstance(file, ListFile)] == [category]


@pytest.mark.parametrize(("path", "why"), [("nowhere.txt", "is not there"), ("", "format `ut1`")])
def test_a_source_that_cannot_be_read_is_told(tmp_path: Path, path: str, why: str) -> None:
    """Line 0 says that the whole source is missing."""
    (problem,) = list_files(ListSource("own", tmp_path / path), OtherNames())
    assert isinstance(problem, Problem)
    assert (problem.list, problem.line) == ("own", 0)
    assert why in problem.why


def test_the_lists_that_come_with_the_product() -> None:
    """One list a category, named after it."""
    sources = starter_sources()
    assert {"games", "help"} <= {source.category for source in sources}
    assert all(source.name == f"starter/{source.category}" and source.format == "starter" for source in sources)


def _older(source: ListSource) -> ListSource:
    os.utime(source.path, (1, 1))
    return source


def _longer(source: ListSource) -> ListSource:
    with source.path.open("a") as stream:
        stream.write("more.example\n")
    return source


def _gone(source: ListSource) -> ListSource:
    source.path.unlink()
    return source


@pytest.mark.parametrize(
    "change",
    [
        _older,
        _longer,
        _gone,
        lambda source: replace(source, name="other"),
        lambda source: replace(source, category="other"),
        lambda source: replace(source, url_match="parents"),
        lambda source: replace(source, categories={"a": "b"}),
        lambda source: replace(source, exclude=("a",)),
        lambda source: replace(source, top_levels=True),
    ],
)
def test_the_fingerprint_tells_every_change(tmp_path: Path, change: Callable[[ListSource], ListSource]) -> None:
    """Size, time and every option count; looking twice at the same gives the same."""
    source = domain_list(tmp_path, "games", "games.example")
    before = source_fingerprint([source])
    assert source_fingerprint([source]) == before
    assert source_fingerprint([change(source)]) != before


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    """A tree that holds itself is looked at as deep as trees go."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "again").symlink_to(tmp_path / "tree")
    assert source_fingerprint([ListSource("ut1", tmp_path / "tree", "ut1")])


def test_the_fingerprint_sees_into_trees(tmp_path: Path) -> None:
    """A file of a tree counts as the tree does."""
    source = ListSource("ut1", ut1_tree(tmp_path), "ut1")
    before = source_fingerprint([source])
    (source.path / "games" / "domains").write_text("games.example\nmore.example\n")
    assert source_fingerprint([source]) != before
