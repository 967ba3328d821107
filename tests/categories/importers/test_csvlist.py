"""Tables of URL and category: a list for each category, names settled by the taxonomy, no row lost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from categories.model import Problem
from categories.names import canonical_url
from categories.parse import Entry, parse
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListFile, ListSource, list_files
from tests.categories.importers.rig import read, values
from tests.categories.rig import OtherNames

NAMES = OtherNames({"Games": "games", "Bets": "gambling", "games": "games"})


def table(folder: Path, text: str) -> ListSource:
    """A table on disk, as configured."""
    file = folder / "table.csv"
    file.write_bytes(text.encode())
    return ListSource("county", file, "csv")


def lists_of(source: ListSource) -> tuple[dict[str, list[str]], list[Problem]]:
    """Category to entries, and every problem."""
    found: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for file in list_files(source, NAMES):
        if isinstance(file, Problem):
            problems.append(file)
            continue
        with file.path.open("rb") as stream:
            items = list(parse(file.format, stream, file.name, only=file.only))
        found[file.category] = values([item for item in items if isinstance(item, Entry)])
        problems += [item for item in items if isinstance(item, Problem)]
    return found, problems


@pytest.mark.parametrize(
    "text",
    [
        "play.example,Games\nbets.example/odds,Bets\n",
        "URL,Category\nplay.example,Games\nbets.example/odds,Bets\n",
        "Category;Comment;Domain\r\nGames;x;play.example\r\nBets;;bets.example/odds\r\n",
        '\ufeff"play.example","Games"\n"bets.example/odds","Bets"\n',
        "play.example\tGames\nbets.example/odds\tBets",
    ],
)
def test_each_category_is_a_list(tmp_path: Path, text: str) -> None:
    """With or without a heading, whatever separates the cells."""
    found, problems = lists_of(table(tmp_path, text))
    assert found == {"games": ["domain play.example"], "gambling": ["url bets.example/odds"]}
    assert problems == []


def test_a_list_opens_nothing_by_a_name(tmp_path: Path) -> None:
    """What another calls help is a category of its own, which no rule asks for, unless a person says otherwise."""
    found, (told,) = lists_of(table(tmp_path, "url,category\nporn.example,help\n"))
    assert found == {"help-of-others": ["domain porn.example"]}
    assert "opens sites here" in told.why
    assert set(lists_of(table(tmp_path, 'porn.example,"(help)"\n'))[0]) == {"help-of-others"}
    meant = replace(table(tmp_path, "url,category\nline.example,help\n"), categories={"help": "help"})
    assert lists_of(meant) == ({"help": ["domain line.example"]}, [])


def test_a_category_nobody_knows_becomes_the_schools_own(tmp_path: Path) -> None:
    """And is told, with its new name: it may be a spelling mistake."""
    found, problems = lists_of(table(tmp_path, "maths.example,Year 6: maths\n"))
    assert found == {"year-6-maths": ["domain maths.example"]}
    assert [("year-6-maths" in problem.why, problem.taken) for problem in problems] == [(True, True)]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("play.example", "no category"),
        (",Games", "no URL"),
        ("not a host,Games", "more than one word"),
        ("ftp:/,Games", ""),
        ("zip,Games", "everything below"),
    ],
)
def test_rows_that_say_too_little_are_told(tmp_path: Path, row: str, why: str) -> None:
    """With their line."""
    _, problems = lists_of(table(tmp_path, f"ok.example,Games\n{row}\n"))
    assert [(problem.line, why in problem.why) for problem in problems] == [(2, True)]


def test_a_sites_first_page_is_the_whole_site_and_told() -> None:
    """People paste `https://www.example.org/` and mean the site."""
    entries, problems = read("csv", "https://www.play.example/,Games\nhttp://play.example/a?b=1,Games\n")
    assert values(entries) == ["domain www.play.example", "url play.example/a?b=1"]
    assert [(problem.line, problem.taken) for problem in problems] == [(1, True)]


def test_a_quoted_line_end_does_not_shift_the_line_numbers() -> None:
    """Evidence names the line where the row begins."""
    entries, _ = read("csv", 'URL,Category,Note\na.example,Games,"two\nlines"\nb.example,Games,\n')
    assert [(entry.value, entry.line) for entry in entries] == [("a.example", 2), ("b.example", 4)]


def test_a_table_with_a_category_of_its_own_is_one_list(tmp_path: Path) -> None:
    """Then the second column does not count."""
    source = ListSource("county", table(tmp_path, "a.example,x\nb.example\n").path, "csv", category="games")
    files = [file for file in list_files(source, NAMES) if isinstance(file, ListFile)]
    assert [(file.name, file.category, file.only) for file in files] == [("county", "games", "")]


def test_a_table_without_rows_cannot_be_compiled(tmp_path: Path) -> None:
    """Line 0: the whole source."""
    assert [problem.line for problem in list_files(table(tmp_path, "\n"), NAMES) if isinstance(problem, Problem)] == [0]


def test_a_compiled_table_answers_with_category_and_line(tmp_path: Path) -> None:
    """The way of every list: snapshot, lookup, evidence."""
    source = table(tmp_path, "URL,Category\nplay.example,Games\nbets.example/odds,Bets\n")
    build_snapshot([source], tmp_path / "lists", NAMES)
    index = open_snapshot(tmp_path / "lists")
    matches = [
        match for url in ("www.play.example", "bets.example/odds?x=1") for match in index.match(canonical_url(url))
    ]
    assert [(match.category, match.list, match.line) for match in matches] == [
        ("games", "county/games", 2),
        ("gambling", "county/bets", 3),
    ]
