"""Adblock lists: hosts and URL prefixes are entries; exceptions, patterns, conditions and hiding are told.

Shows: `categories.importers.told`, `categories.importers.readers`
"""

from __future__ import annotations

import io
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.importers.adblock import is_comment, read_adblock
from categories.model import Problem
from categories.parse import Entry, parse
from tests.categories.importers.rig import lines_accounted_for, read, values


@pytest.mark.parametrize(
    ("line", "entries"),
    [
        ("||ads.example^", ["domain ads.example"]),
        ("||ADS.example^", ["domain ads.example"]),
        ("||*.ads.example^", ["domain ads.example"]),
        ("||ads.example^$important", ["domain ads.example"]),
        ("||ads.example^$all", ["domain ads.example"]),
        ("||ads.example^$document,popup", ["domain ads.example"]),
        ("||ads.example^$third-party", ["domain ads.example"]),
        ("||ads.example", ["domain ads.example"]),
        ("||203.0.113.7^", ["network 203.0.113.7"]),
        ("||[2001:db8::1]^", ["network 2001:db8::1"]),
        ("||portal.example/banners/", ["url portal.example/banners"]),
        ("||portal.example/track.js^", ["url portal.example/track.js"]),
        ("||portal.example/track?id=", ["url portal.example/track?id="]),
        ("|https://portal.example/start|", ["url portal.example/start"]),
        ("0.0.0.0 ads.example tracker.example # both", ["domain ads.example", "domain tracker.example"]),
        ("127.0.0.1 localhost.example", ["domain localhost.example"]),
        ("ads.example", ["domain ads.example"]),
    ],
)
def test_hosts_and_prefixes_are_entries(line: str, entries: list[str]) -> None:
    """In every way filter lists write them."""
    assert values(read("adblock", line)[0]) == entries


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("@@||school.example^", "a list never allows"),
        ("||cdn.example^$denyallow=good.example", "`$denyallow`"),
        ("||cdn.example^$domain=news.example|~sport.example", "`$domain`"),
        ("||cdn.example^$script", "`$script`"),
        ("||cdn.example^$~third-party", "`$~third-party`"),
        ("||cdn.example^$removeparam=utm", "`$removeparam`"),
        ("/banner[0-9]+/", "regular expression"),
        ("/banner[0-9]+/$script", "regular expression"),
        ("/banners/*", "anywhere in a URL"),
        ("-ad-300x250.", "anywhere in a URL"),
        ("_bridge.js", "anywhere in a URL"),
        ("||ads.", "whatever follows the dot"),
        ("||ads.example:8080^", "one port only"),
        ("||ads.example^path", "pattern behind the host"),
        ("||ads.example/*/banner", "inside the path"),
        ("||zip^", "everything below `.zip`"),
    ],
)
def test_what_a_list_cannot_say_is_told(line: str, why: str) -> None:
    """With the condition by its name."""
    entries, problems = read("adblock", line)
    assert entries == []
    assert [(why in problem.why, problem.taken) for problem in problems] == [(True, False)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("||ads.example^$third-party", "opened itself"),
        ("||ads.example^$popup", "however the page is opened"),
        ("||ads.example^$important", "policy decides"),
        ("||portal.example/track", "ends at `/`"),
        ("ads.example", "lists for name servers"),
        ("||ads.example", "has no `^`"),
    ],
)
def test_what_means_more_here_is_told_once_with_its_number(line: str, why: str) -> None:
    """By kind: three lines of one kind are one problem that speaks for three."""
    entries, problems = read("adblock", f"{line}\n" * 3)
    assert len(entries) == 3
    assert [(why in problem.why, problem.taken, problem.lines, problem.line) for problem in problems] == [
        (True, True, 3, 1)
    ]


@pytest.mark.parametrize(
    "line", ["##.banner", "news.example##.ad", "news.example#@#.ad", "news.example#?#div:has(.ad)", "a.example$$script"]
)
def test_hiding_is_counted_not_listed(line: str) -> None:
    """There are tens of thousands in a browser's list, and none concerns a host."""
    entries, problems = read("adblock", f"{line}\n" * 5)
    assert (entries, [(problem.lines, problem.taken) for problem in problems]) == ([], [(5, False)])


@pytest.mark.parametrize("line", ["! Title: Ads", "[Adblock Plus 2.0]", "# a hosts file's comment", "!"])
def test_headers_and_comments_say_nothing(line: str) -> None:
    """They are neither entries nor problems."""
    assert read("adblock", line) == ([], [])
    assert is_comment(line)


def test_a_directive_that_pulls_in_another_file_is_told() -> None:
    """It is not followed, so somebody must know."""
    _, problems = read("adblock", "!#include other.txt\n")
    assert "not followed" in problems[0].why


TEXT = st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=("Cs",)), max_size=60)
FILTER = st.one_of(TEXT, TEXT.map("||a.example{}".format), TEXT.map("||{}^$third-party".format))


@given(st.lists(FILTER, max_size=8))
def test_no_line_is_lost(lines: list[str]) -> None:
    """Any text: a line is a comment, an entry, or told; never two of them, never none."""
    entries, problems = read("adblock", "".join(f"{line}\n" for line in lines))
    stripped = (line.removeprefix("\ufeff" if at == 0 else "").strip() for at, line in enumerate(lines))
    assert lines_accounted_for(entries, problems) == sum(1 for line in stripped if line and not is_comment(line))


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("file", "entries", "told"),
    [
        ("easylist-20260813.txt.xz", 50_641, 27_051),
        ("easyprivacy-20260813.txt.xz", 50_217, 5_147),
        ("hagezi-light-202207.txt.xz", 121_582, 0),
    ],
)
def test_real_lists_come_in_without_an_unexplained_line(real_data: Path, file: str, entries: int, told: int) -> None:
    """Golden counts: lines in force and lines told as not taken; together they are all lines but comments."""
    with lzma.open(real_data / "adblock" / file) as stream:
        items = list(parse("adblock", stream, file))
    taken = {item.line for item in items if isinstance(item, Entry)}
    problems = [item for item in items if isinstance(item, Problem)]
    with lzma.open(real_data / "adblock" / file, "rt", encoding="utf-8") as lines:
        wanted = sum(1 for line in lines if line.strip() and not is_comment(line.strip()))
    left_out = sum(problem.lines for problem in problems if not problem.taken)
    assert len(taken) + left_out == wanted
    assert (len(taken), left_out) == (entries, told)


def test_lines_of_a_hosts_file_mean_here_what_they_mean_there() -> None:
    """An address of its own is a redirection, the machine's own names say nothing, and the widening is told."""
    text = "127.0.0.1 localhost\n0.0.0.0 localhost one.example\n0.0.0.0 two.example\n10.0.0.5 wiki.school.example\n"
    items = list(read_adblock(io.BytesIO(text.encode()), "list"))
    assert [item.value for item in items if isinstance(item, Entry)] == ["one.example", "two.example"]
    widened, redirected = (item for item in items if isinstance(item, Problem))
    assert (widened.line, widened.lines, widened.taken) == (2, 2, True)
    assert (redirected.line, redirected.lines, redirected.taken) == (4, 1, False)
    assert "a redirection, not a block" in redirected.why


@pytest.mark.parametrize("line", ["||forum.example/#section", "|https://forum.example/#section"])
def test_a_part_of_a_page_does_not_close_a_site(line: str) -> None:
    (item,) = read_adblock(io.BytesIO(line.encode()), "list")
    assert isinstance(item, Problem)
    assert not item.taken
