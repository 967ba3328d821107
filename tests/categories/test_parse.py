"""Lists in, entries out: every line is taken or told, whatever it holds."""

from __future__ import annotations

import io
import resource
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.model import EntryKind, Problem
from categories.parse import LONGEST_LINE, Entry, FileFormat, counted, parse

D, U, N, P = EntryKind.DOMAIN, EntryKind.URL, EntryKind.NETWORK, EntryKind.PHRASE


def read(format: FileFormat, text: str | bytes, *, top_levels: bool = False) -> tuple[list[Entry], list[Problem]]:
    """Entries and problems of a list."""
    raw = text.encode() if isinstance(text, str) else text
    items = list(parse(format, io.BytesIO(raw), "list", top_levels=top_levels))
    return [i for i in items if isinstance(i, Entry)], [i for i in items if isinstance(i, Problem)]


@pytest.mark.parametrize(
    ("format", "line", "entries"),
    [
        ("domains", "games.example", [(D, "games.example")]),
        ("domains", "  Games.EXAMPLE.  # comment", [(D, "games.example")]),
        ("domains", "bücher.example", [(D, "xn--bcher-kva.example")]),
        ("domains", "10.1.2.3", [(N, "10.1.2.3")]),
        ("domains", "0x0a.1.2.3", [(N, "10.1.2.3")]),
        ("domains", "2001:DB8::1", [(N, "2001:db8::1")]),
        ("domains", "_odd.host_name.example", [(D, "_odd.host_name.example")]),
        ("hosts", "0.0.0.0 ads.example", [(D, "ads.example")]),
        ("hosts", "127.0.0.1\tads.example  more.example # two", [(D, "ads.example"), (D, "more.example")]),
        ("hosts", ":: ads.example", [(D, "ads.example")]),
        ("hosts", "127.0.0.1 localhost localhost.localdomain", []),
        ("hosts", "::1 ip6-localhost ip6-loopback", []),
        ("hosts", "0.0.0.0 0.0.0.0", []),
        ("urls", "https://Portal.example/Videos/", [(U, "portal.example/videos")]),
        ("urls", "portal.example/a//b/../c?x=%41", [(U, "portal.example/a/c?x=a")]),
        ("urls", "portal.example", [(U, "portal.example/")]),
        ("urls", "portal.example/#top", [(U, "portal.example/")]),
        ("urls", "[2001:db8::1]:80/x", [(U, "2001:db8::1/x")]),
        ("networks", "10.1.2.3/8", [(N, "10.0.0.0/8")]),
        ("networks", "10.1.2.3", [(N, "10.1.2.3")]),
        ("networks", "10.0.0.0/255.0.0.0", [(N, "10.0.0.0/8")]),
        ("networks", "10.0.0.1-10.0.0.2", [(N, "10.0.0.1"), (N, "10.0.0.2")]),
        ("networks", "2001:db8::/32 ; comment", [(N, "2001:db8::/32")]),
        ("phrases", "Rude  WORD", [(P, "rude word")]),
        ("phrases", '"rude word"', [(P, "rude word")]),
        ("phrases", "caf\u00e9", [(P, "cafe")]),
        ("starter", '"rude word"   # comment', [(P, "rude word")]),
        ("starter", "games.example", [(D, "games.example")]),
        ("starter", "games.example/play", [(U, "games.example/play")]),
        ("starter", "203.0.113.0/24", [(N, "203.0.113.0/24")]),
        ("starter", "2001:db8::/32", [(N, "2001:db8::/32")]),
        ("starter", "203.0.113.9", [(N, "203.0.113.9")]),
        ("starter", ".onion", [(D, "onion")]),
    ],
)
def test_a_line_is_understood(format: FileFormat, line: str, entries: list[tuple[EntryKind, str]]) -> None:
    """Each format gives entries in the one canonical form, with the number of their line."""
    taken, _ = read(format, f"# heading\n\n{line}\n")
    assert [(entry.kind, entry.value) for entry in taken] == entries
    assert all(entry.line == 3 for entry in taken)


@pytest.mark.parametrize(
    ("format", "line", "why"),
    [
        ("domains", "a.example,b.example", "has ',', which no host"),
        ("domains", "a.example;b.example", "has ';', which no host"),
        ("domains", "!a.example", "has '!', which no host"),
        ("domains", "com", r"everything below `\.com`"),
        ("domains", "*.com", r"everything below `\.com`"),
        ("domains", "ads*.example", r"`\*` inside"),
        ("domains", "games.example/play", "format `urls`"),
        ("domains", "0.0.0.0 games.example", "format `hosts`"),
        ("domains", "games..example", "empty label"),
        ("domains", "1.2.3.456", "part is too large"),
        ("domains", "games.example:8080", "':'"),
        ("domains", "<html>", "'<'"),
        ("hosts", "games.example", "address and then names"),
        ("hosts", "0.0.0.0", "address and then names"),
        ("hosts", "0.0.0.0 bad..example", "empty label"),
        ("urls", "games.example/two words", "%20"),
        ("urls", "mailto:head@school.example", "scheme"),
        ("urls", "http:///", "no host"),
        ("networks", "games.example", "no address, network or range"),
        ("networks", "10.0.0.0/33", "no address, network or range"),
        ("networks", "10.0.0.9-10.0.0.1", "no address, network or range"),
        ("networks", "10.0.0.1-::1", "different families"),
        ("networks", "0.0.0.0/0", "every address"),
        ("phrases", "<one>,<two><4o>", "no whole number"),
        ("phrases", "<one", "not closed"),
        ("phrases", 'one "two"', "no phrase"),
        ("phrases", "...", "no letter"),
        ("starter", '"unclosed', "no phrase"),
    ],
)
def test_a_line_that_cannot_be_taken_is_told(format: FileFormat, line: str, why: str) -> None:
    """A problem names list, line and text, and says why; the next line is taken as if nothing had been."""
    good = {"hosts": "0.0.0.0 good.example", "networks": "10.0.0.1"}.get(format, "good.example")
    taken, told = read(format, f"{line}\n{good}\n")
    assert len(taken) == 1
    assert taken[0].line == 2
    told = [problem for problem in told if not problem.taken]
    assert [(problem.list, problem.line, problem.text) for problem in told] == [("list", 1, line)]
    with pytest.raises(AssertionError, match=why):
        raise AssertionError(told[0].why)


def test_a_top_level_is_taken_only_when_the_list_says_so() -> None:
    """A single label would take in half the web: it has to be meant."""
    assert read("domains", "zip\n", top_levels=True) == ([Entry(D, "zip", 1)], [])


@pytest.mark.parametrize(
    ("number", "words", "said"),
    [
        (0, ("line",), "0 lines"),
        (1, ("line",), "1 line"),
        (1, ("entry", "entries"), "1 entry"),
        (2000, ("entry", "entries"), "2,000 entries"),
    ],
)
def test_reports_count_in_plain_english(number: int, words: tuple[str, ...], said: str) -> None:
    assert counted(number, *words) == said


def test_a_wildcard_is_widened_and_told_once() -> None:
    """`*.x` and `.x` are taken as x and all below it; one problem says so, with the number of such lines."""
    taken, told = read("domains", "*.games.example\n.video.example\nplain.example\n")
    assert [entry.value for entry in taken] == ["games.example", "video.example", "plain.example"]
    assert [(problem.line, problem.text) for problem in told] == [(1, "*.games.example")]
    assert "bare host included (2 lines" in told[0].why


def test_byte_order_mark_and_windows_line_ends_are_taken() -> None:
    """A list saved on a school's Windows machine reads like any other."""
    assert read("domains", b"\xef\xbb\xbfone.example\r\ntwo.example\r\n") == (
        [Entry(D, "one.example", 1), Entry(D, "two.example", 2)],
        [],
    )


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\xff\xfeg\0a\0", "NUL"),
        (b"one\0two.example", "NUL"),
        (b"caf\xe9.example", "not UTF-8"),
        (b"a" * (LONGEST_LINE + 5), "longer than"),
        (b"a" * 1_000_000, "longer than"),
    ],
)
def test_what_is_no_text_is_told_and_passed_over(raw: bytes, why: str) -> None:
    """Binary, foreign encodings and endless lines cost one problem each, and the lines after keep their number."""
    taken, told = read("domains", raw + b"\ngood.example\n")
    assert taken == [Entry(D, "good.example", 2)]
    assert [problem.line for problem in told] == [1]
    assert why in told[0].why
    assert len(told[0].text) <= 200


@pytest.mark.slow
def test_a_list_of_100_mb_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """Lines stream: neither a large list nor one endless line is ever held whole."""
    block = b"".join(b"%s.host-%05d.example\n" % (b"x" * 60, n) for n in range(10_000)) + b"y" * 100_000 + b"\n"
    times = 100_000_000 // len(block) + 1
    with (tmp_path / "large").open("wb") as stream:
        stream.writelines(block for _ in range(times))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken = told = 0
    with (tmp_path / "large").open("rb") as stream:
        for item in parse("domains", stream, "large"):
            if isinstance(item, Entry):
                taken += 1
            else:
                told += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert (taken, told) == (10_000 * times, times)
    assert grown < 30, f"{grown:.0f} MiB"


FORMATS = st.sampled_from(["domains", "hosts", "urls", "phrases", "networks", "starter"])


@given(FORMATS, st.binary(max_size=200))
def test_no_bytes_raise(format: FileFormat, raw: bytes) -> None:
    """Whatever a file holds: entries and problems, in the order of its lines."""
    items = list(parse(format, io.BytesIO(raw), "list"))
    assert all(item.line <= raw.count(b"\n") + 1 for item in items)


@given(FORMATS, st.text(alphabet='aA.*/:%#<>"-0129 ü\n,x?=', max_size=80))
def test_an_entry_is_its_own_canonical_form(format: FileFormat, text: str) -> None:
    """What was taken, written out as a list of its kind, is taken again as the very same entry."""
    own: dict[EntryKind, FileFormat] = {D: "domains", U: "urls", N: "networks", P: "phrases"}
    for entry in read(format, text)[0]:
        host, slash, path = entry.value.partition("/")
        line = f"[{host}]/{path}" if entry.kind is U and ":" in host and slash else entry.value
        again = read(own[entry.kind], line, top_levels=True)[0]
        assert [(one.kind, one.value) for one in again] == [(entry.kind, entry.value)]
