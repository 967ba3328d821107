"""e2guardian's phrase lists: weights, combinations, legacy charsets; every line a phrase or told.

Shows: `categories.importers.charsets`
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.importers.charsets import charsets_for
from categories.importers.e2guardian_items import About
from categories.importers.e2guardian_phrases import PhraseFile, read_phrases
from categories.model import Problem
from categories.scoring import PhraseKind, PhraseScorer, ScoredPhrase


def read(
    text: str | bytes, name: str = "phraselists/x", *, exceptions: bool = False
) -> list[ScoredPhrase | About | Problem]:
    """Everything a file gives."""
    raw = text.encode() if isinstance(text, str) else text
    return list(read_phrases(io.BytesIO(raw), PhraseFile(name, "gambling", exceptions)))


@pytest.mark.parametrize(
    ("line", "parts", "kind", "weight", "percent"),
    [
        ("<poker>", ("poker",), "banned", 0, False),
        ("< Poker ><30>", (" poker ",), "weighted", 30, False),
        ("<poker><-30>", ("poker",), "weighted", -30, False),
        ("<poker><10%>", ("poker",), "weighted", 10, True),
        ("<poker>,< chips ><50>", ("poker", " chips "), "weighted", 50, False),
        ("<poker>,<chips>", ("poker", "chips"), "banned", 0, False),
        ("<18>,<poker><5>", ("18", "poker"), "weighted", 5, False),
        ("<green-card><5> # a comment", ("green card",), "weighted", 5, False),
        ("<poker> <5>", ("poker",), "weighted", 5, False),
        ("\t<poker><5>", ("poker",), "weighted", 5, False),
    ],
)
def test_a_line_is_a_phrase(line: str, parts: tuple[str, ...], kind: str, weight: int, percent: bool) -> None:
    """The weight decides what it is; a comma combines."""
    assert read(line) == [ScoredPhrase(parts, PhraseKind(kind), weight, percent, "gambling", "phraselists/x", 1)]


def test_a_phrase_without_weight_is_an_exception_in_an_exception_list() -> None:
    """And one with a weight is weighted there, too."""
    found = [item for item in read("<homework>\n<school><-20>\n", exceptions=True) if isinstance(item, ScoredPhrase)]
    assert [item.kind for item in found] == [PhraseKind.EXCEPTION, PhraseKind.WEIGHTED]


@pytest.mark.parametrize(
    ("line", "why", "kind"),
    [
        ("<poker><0>", "weight 0", PhraseKind.BANNED),
        ("<poker>, <chips><5>", "blank beside its comma", PhraseKind.WEIGHTED),
        ("<poker><5> gambling", "no comment", PhraseKind.WEIGHTED),
        (f"<{'x' * 200}><5>", "longer than 127", PhraseKind.WEIGHTED),
    ],
)
def test_what_means_something_else_is_told_and_taken(line: str, why: str, kind: PhraseKind) -> None:
    """A phrase and a problem."""
    phrases = [item for item in read(line) if isinstance(item, ScoredPhrase)]
    problems = [item for item in read(line) if isinstance(item, Problem)]
    assert [item.kind for item in phrases] == [kind]
    assert [(why in item.why, item.taken) for item in problems] == [(True, True)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("poker", "has no `<…>`"),
        ("<poker><50", "not closed"),
        ("<poker<20>", "not closed"),
        ("< animals,< food ><50>", "not closed"),
        ("<poker><25i>", "no whole number"),
        ("<two words><poker><70>", "without a comma"),
        ("<...><5>", "nothing to look for"),
        ("<><5>", "nothing to look for"),
    ],
)
def test_what_is_no_phrase_is_told(line: str, why: str) -> None:
    """With what would have been right."""
    items = read(line)
    assert [isinstance(item, Problem) and why in item.why and not item.taken for item in items] == [True]


def test_a_file_says_what_it_is_about_and_what_it_includes() -> None:
    """Comments that are statements; other comments say nothing."""
    text = '#listcategory: "Gambling (Danish)"\n#time: 9 0 17 0 01234\n# a comment\n.Include</etc/x/weighted>\n'
    assert [(item.what, item.value) for item in read(text) if isinstance(item, About)] == [
        ("category", "Gambling (Danish)"),
        ("time", "9 0 17 0 01234"),
        ("include", "/etc/x/weighted"),
    ]


@pytest.mark.parametrize(
    ("folder", "charset", "word"),
    [
        ("french", "latin-1", "élève"),
        ("swedish", "cp1252", "bröst"),
        ("polish", "iso8859-2", "źródło"),
        ("russian-1251", "cp1251", "слово"),
        ("russian-koi8-r", "koi8-r", "слово"),
        ("russian-koi8-r", "cp1251", "слово"),
        ("chinesebig5", "big5", "學校"),
        ("chinesegb2312", "gb2312", "学校"),
        ("japanese", "shift_jis", "学校の言葉"),
        ("japanese", "euc_jp", "学校の言葉"),
        ("japanese", "utf-8", "学校の言葉"),
    ],
)
def test_legacy_charsets_meet_the_same_word_on_any_page(folder: str, charset: str, word: str) -> None:
    """Decoded as their folder and letters say, and matched as Unicode."""
    items = read(f"<{word}><50>\n".encode(charset), f"phraselists/{folder}/x/weighted")
    phrases = [item for item in items if isinstance(item, ScoredPhrase)]
    assert PhraseScorer(phrases, limit=40).score(f"… {word.upper()} …").over


def test_a_folder_that_names_the_wrong_charset_is_told() -> None:
    """e2guardian's own Russian KOI8-R list is in Windows-1251."""
    items = read("<слово><50>\n".encode("cp1251"), "phraselists/russian-koi8-r/x/weighted")
    assert [item.why for item in items if isinstance(item, Problem)] == [
        "by its name the file is in koi8-r, by its letters in cp1251; read as cp1251"
    ]


def test_a_comment_may_say_which_charset_follows() -> None:
    """A Japanese list repeats its words in three charsets, each under its name."""
    raw = b"#Shift_JIS\n" + "<乳><5>\n".encode("shift_jis") + b"#EUC-JP\n" + "<乳><5>\n".encode("euc_jp")
    parts = [item.parts for item in read(raw, "phraselists/japanese/x/weighted") if isinstance(item, ScoredPhrase)]
    assert parts == [("乳",), ("乳",)]


def test_a_line_in_no_charset_is_told() -> None:
    """Octets that are neither UTF-8 nor in the charset of its folder."""
    items = read(b"<caf\x81\x8d><5>\n<ok><5>\n", "phraselists/french/x/weighted")
    assert [item.line for item in items if isinstance(item, Problem)] == [1]
    assert [item.line for item in items if isinstance(item, ScoredPhrase)] == [2]


@pytest.mark.parametrize(("path", "first"), [("a/french/b", "cp1252"), ("weighted_russian", "cp1251"), ("x", "cp1252")])
def test_charsets_go_by_the_words_of_the_path(path: str, first: str) -> None:
    """Folders or file names."""
    assert charsets_for(path)[0] == first


LINE = st.text(
    st.characters(blacklist_characters="\r\n\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", blacklist_categories=("Cs",)),
    max_size=40,
)


@given(st.lists(st.one_of(LINE, LINE.map("<{}><5>".format), LINE.map("<a>,<{}>".format)), max_size=8))
def test_no_line_is_lost(lines: list[str]) -> None:
    """Any text: what is no comment is a phrase, a statement, or told."""
    items = read("".join(f"{line}\n" for line in lines))
    seen = {item.line.number if isinstance(item, About) else item.line for item in items}
    wanted = {
        at
        for at, line in enumerate(lines, 1)
        if (text := line.removeprefix("\ufeff" if at == 1 else "").strip()) and not text.startswith("#")
    }
    assert wanted <= seen


@pytest.mark.realdata
def test_the_real_lists_come_in_without_an_unexplained_line(real_data: Path) -> None:
    """All 17 languages: 9,846 lines that are no comment, 9,826 of them phrases, 20 told; golden counts."""
    phrases: list[ScoredPhrase] = []
    told = wanted = 0
    with tarfile.open(real_data / "phrases" / "e2guardian-lists-5.6-20240327.tar.xz") as archive:
        for member in archive.getmembers():
            if not member.isfile() or not member.name.rpartition("/")[2].startswith(
                ("weighted", "banned", "exception")
            ):
                continue
            if "/phraselists/" not in member.name:
                continue
            stream = archive.extractfile(member)
            raw = stream.read() if stream else b""
            items = read(raw, member.name, exceptions="/exception" in member.name)
            phrases += [item for item in items if isinstance(item, ScoredPhrase)]
            told += sum(item.lines for item in items if isinstance(item, Problem) and not item.taken)
            texts = (line.removeprefix(b"\xef\xbb\xbf").strip() for line in raw.splitlines())
            wanted += sum(1 for text in texts if text and not text.startswith(b"#"))
    assert len(phrases) + told == wanted
    assert (wanted, len(phrases), told) == (9_846, 9_826, 20)
    kinds = [(item.kind.value, len(item.parts) > 1) for item in phrases]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        ("weighted", False): 7_699,
        ("weighted", True): 1_610,
        ("banned", True): 479,
        ("banned", False): 28,
        ("exception", False): 9,
        ("exception", True): 1,
    }
