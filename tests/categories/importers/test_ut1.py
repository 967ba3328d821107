"""A UT1 or squidGuard tree: folders become lists, links other names, expressions are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from categories.importers.ut1 import aliases, white
from categories.model import Problem
from categories.sources import ListFile, ListSource, Names, list_files
from categories.taxonomy import load_taxonomy
from tests.categories.rig import OtherNames, ut1_tree

NAMES = OtherNames({"adult": "pornography", "games": "games"})


def files_of(source: ListSource, names: Names = NAMES) -> tuple[list[ListFile], list[Problem]]:
    """Files and problems of a source."""
    items = list(list_files(source, names))
    return [i for i in items if isinstance(i, ListFile)], [i for i in items if isinstance(i, Problem)]


def test_each_folder_is_a_list_under_our_name(tmp_path: Path) -> None:
    """`domains` and `urls` share a list; parts of a split list are lists of their own, so that lines stay true."""
    tree = ut1_tree(tmp_path)
    files, problems = files_of(ListSource("ut1", tree, "ut1"))
    assert [(file.name, file.category, file.path.relative_to(tree).as_posix(), file.format) for file in files] == [
        ("ut1/adult", "pornography", "adult/domains", "domains"),
        ("ut1/adult", "pornography", "adult/urls", "urls"),
        ("ut1/child", "child", "child/domains", "domains"),
        ("ut1/games", "games", "games/domains", "domains"),
        ("ut1/games", "games", "games/urls", "urls"),
        ("ut1/large/domains.0", "large", "large/domains.0", "domains"),
        ("ut1/large/domains.1", "large", "large/domains.1", "domains"),
    ]
    assert [(problem.list, problem.text) for problem in problems] == [("ut1/adult", "expressions")]
    assert "regular expressions" in problems[0].why


@pytest.mark.parametrize("where", ["", "blacklists", "blacklists/games"])
def test_the_tree_is_found_from_around_and_from_inside(tmp_path: Path, where: str) -> None:
    """The unpacked archive, the tree in it, or one category."""
    ut1_tree(tmp_path)
    files, _ = files_of(ListSource("ut1", tmp_path / where, "ut1"))
    assert "ut1/games" in {file.name for file in files}


def test_a_linked_tree_and_a_linked_category_from_elsewhere_are_read(tmp_path: Path) -> None:
    """Only a link to a neighbour is another name."""
    tree = ut1_tree(tmp_path / "there")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "games").symlink_to(tree / "games")
    files, _ = files_of(ListSource("ut1", tmp_path / "here", "ut1"))
    assert {file.name for file in files} == {"ut1/games"}


def test_a_name_only_a_link_knows_settles_the_category(tmp_path: Path) -> None:
    """UT1's folders are French, its links English: `porn` settles `adult` when `adult` says nothing."""
    files, _ = files_of(ListSource("ut1", ut1_tree(tmp_path), "ut1"), OtherNames({"porn": "pornography"}))
    assert {file.category for file in files if file.name == "ut1/adult"} == {"pornography"}


def test_the_settings_table_comes_before_the_taxonomy(tmp_path: Path) -> None:
    """A school may read a category as it likes; a folder nobody knows keeps its own name."""
    files, _ = files_of(ListSource("ut1", ut1_tree(tmp_path), "ut1", categories={"adult": "adult-content"}))
    categories = {file.name: file.category for file in files}
    assert categories["ut1/adult"] == "adult-content"
    assert categories["ut1/child"] == "child"


def test_folders_can_be_left_out_and_a_wrong_name_is_told(tmp_path: Path) -> None:
    """An excluded folder that is not there is a mistake in the settings."""
    files, problems = files_of(ListSource("ut1", ut1_tree(tmp_path), "ut1", exclude=("adult", "gamse")))
    assert "ut1/adult" not in {file.name for file in files}
    assert [(problem.text, problem.line) for problem in problems] == [("gamse", 0)]


@pytest.mark.parametrize(("make", "why"), [(False, "is not a folder"), (True, "no category folder")])
def test_a_tree_that_is_none_is_told(tmp_path: Path, make: bool, why: str) -> None:
    """Line 0 says that the whole source cannot be read."""
    if make:
        (tmp_path / "tree").mkdir()
    files, problems = files_of(ListSource("ut1", tmp_path / "tree", "ut1"))
    assert files == []
    assert problems[0].line == 0
    assert why in problems[0].why


def test_usage_and_links_can_be_asked(tmp_path: Path) -> None:
    """`usage` says which lists are for allowing; links are the tree's other names."""
    tree = ut1_tree(tmp_path)
    assert white(tree / "child")
    assert not white(tree / "adult")
    assert not white(tree / "nowhere")
    assert aliases(tree) == {"porn": "adult"}


def test_banks_of_a_tree_stay_private_and_its_updates_do_not_pass_unread(tmp_path: Path) -> None:
    """Staff's banking is read by nobody (X-01), whoever lists the bank; what passes unread for all, only we say."""
    for name in ("bank", "update"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "domains").write_text(f"{name}.example\n")
    files, _ = files_of(ListSource("ut1", tmp_path, "ut1"), load_taxonomy())
    assert {file.name: file.category for file in files} == {
        "ut1/bank": "banking",
        "ut1/update": "os-updates-of-others",
    }
    told, _ = files_of(ListSource("ut1", tmp_path, "ut1", categories={"bank": "finance"}), load_taxonomy())
    assert {file.category for file in told if file.name == "ut1/bank"} == {"finance"}
