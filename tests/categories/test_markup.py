"""What a reader sees of a page, however the page is cut and whatever it tries.

Shows: `categories.unsuremarkup`.
"""

from __future__ import annotations

import re
import tarfile
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories import markup as source
from categories.markup import MARK, Visible


def seen(*pieces: str, markup: bool = True) -> str:
    """The words of a page that comes in these pieces."""
    visible = Visible(markup=markup)
    texts = [visible.feed(piece) for piece in pieces]
    whole = "".join((*texts, visible.feed("", last=True)))
    return " ".join(re.sub(f"{MARK}+", "|", whole).split())


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<p>one<p>two", "one two"),
        ("po<b class='x'>ke</b>r", "po|ke|r"),
        ("a<br>b<article>c", "a b c"),
        ("a&amp;b &#x73;word&nbsp;x", "a&b sword x"),
        ("&lt;script&gt;seen&lt;/script&gt;", "<script>seen</script>"),
        ("a<script>var b = '<p>c';</script>d", "a|d"),
        ("a<SCRIPT SRC=x></ScRiPt >d", "a|d"),
        ("a<style>b{}</style>c", "a|c"),
        ("a<!-- b -->c", "a|c"),
        ("a<!-->b<!-- c -->d", "a|b|d"),
        ("a<!-- b --!>c", "a|c"),
        ("a<!-- never ends", "a|"),
        ("a<script>never ends", "a|"),
        ('a<b c="never > ends', "a|"),
        ('<a title="<script>">seen</a>', "|seen|"),
        ("<title>x <script> y</title>seen", "x script> y seen"),
        ("<textarea><!-- </textarea>seen", "!-- seen"),
        ("<p '>seen<p '>too", "seen too"),
        ('<p a=x"y>seen<p b=z"w>too', "seen too"),
        ('<p =">seen<p =">too', "seen too"),
        ('<a href="a>b">seen</a>', "|seen|"),
        ("a < b and c > d <3", "a < b and c > d <3"),
        ("<!doctype html><?xml?></ x>seen", "|seen"),
        ("<scripts>seen</scripts>", "|seen|"),
        ("<svg><defs><style/></defs></svg>seen", "|seen"),
        ("<svg><script/></svg>seen", "|seen"),
        ("<svg><style>p{}</style></svg>seen<!-- not --><style>b{}</style>", "|p{}|seen|"),
        ("<svg/>a<!-- < -->b", "|a|b"),
        ("<svg a=b/><style/></svg>seen", "|seen"),
        ("<svg><!-->seen--><!--->seen", "|seen-->|seen"),
        ("<!--!>not", "|"),
        ("<!---!>not", "|"),
        ("<!----!>seen", "|seen"),
        ("<svg><p><style/></svg><!--</style>seen", "| |!--|seen"),
        ("<noscript><style></noscript>seen", "| seen"),
        ("<noscript><!--</noscript>seen", "|!-- seen"),
        ("<iframe><style></iframe>seen", "| seen"),
        ("<iframe><!--</iframe>seen", "|!-- seen"),
        ("<xmp><style></xmp>seen", "| seen"),
        ("<plaintext><style>seen", "|seen"),
        ("<style\xa0>seen", "|seen"),
        ("<script\x1c>seen", "|seen"),
        ("<script>a</\u017fcript><!--</script>seen", "|seen"),
        ('</\u017fcript a="> seen', "| seen"),
        ('<p a=b=">">seen<p a=\'"\' b=">">too', '">seen too'),
        ('<p x=\xa0">seen<p y=">', "seen"),
        ("for<x-y></x-y>bid<!-- -->d<!>e<?>n", "for|bid|d|e|n"),
        ("for<img>bid<label>den</label>", "for|bid|den|"),
        ("for\0bidden", "forbidden"),
        ("&#" + "1" * 5000 + ";seen", "\ufffdseen"),
    ],
)
def test_as_a_browser_reads_it(page: str, words: str) -> None:
    """Tags, comments, scripts; and pages made to hide words from whoever is careless."""
    assert seen(page) == words
    assert seen(*page) == words
    for cut in range(min(len(page), 200)):
        assert seen(page[:cut], page[cut:]) == words


TAG = st.lists(
    st.sampled_from([*"aTs\"'=/> <-\t\n", "cript", "itle", " a=", '="', "='", "='\"' b='", "title ", "<b", "\u017f"]),
    max_size=20,
)


@given(TAG.map("".join))
def test_a_usual_tag_ends_where_any_tag_does(rest: str) -> None:
    """The short way through a tag is taken only where it leads to the same end, and to no script or title."""
    found = source._TOKENS.match(f"<{rest}>")
    if found is not None and found[1] is not None:
        slowly = source._ELEMENT.match(f"<{rest}>")
        assert slowly is not None
        assert (slowly.end(), slowly[2]) == (found.end(), found[1])
        assert slowly[1] == "/" or found[1].lower() not in source._HELD


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<p><![CDATA[ seen ]]></p>", "| seen ]]>"),
        ("<script src='x'/><p>seen</p>", "| seen"),
        ("<script>seen</script>", "|seen|"),
        ("a<!-- b -->c", "a|c"),
    ],
)
def test_of_xml_everything_is_read(page: str, words: str) -> None:
    """Elements close themselves there, and CDATA is text."""
    for pieces in (page, [page]):
        visible = Visible(xml=True)
        text = "".join([*map(visible.feed, pieces), visible.feed("", last=True)])
        assert " ".join(re.sub(f"{MARK}+", "|", text).split()) == words


def test_a_reference_behind_a_long_word_is_read_whole() -> None:
    """Also when the word is cut because it has no end."""
    assert seen("a" * 5000 + "&#000", "0115;word") == "a" * 5000 + "sword"


def test_plain_text_is_taken_as_it_is() -> None:
    """No tags, no entities."""
    assert seen("a <b> &amp; c", markup=False) == "a <b> &amp; c"


PIECES = st.sampled_from(
    [
        *(
            "<p>",
            "<b>",
            "</b>",
            "<script>",
            "</script>",
            "<svg>",
            "<noscript>",
            "</svg>",
            "</noscript>",
            "<style x='y'>",
            "</style>",
            "<!--",
            "-->",
            "<!-->",
            "<title>",
        ),
        *("</title>", '<a b="', '">', "'", "<", ">", "&amp;", "&", "#", "word", " ", "\n", "é", "=", "/", "-", "!"),
    ]
)


@given(st.lists(PIECES, max_size=30), st.integers(1, 9))
def test_cuts_change_nothing(pieces: list[str], step: int) -> None:
    """The same words, cut anywhere."""
    page = "".join(pieces)
    whole = seen(page)
    assert seen(*(page[start : start + step] for start in range(0, len(page), step))) == whole


SCRAPS = [
    *("<b>", "</b>", "<p class='x'>", "<p class='", "'>", "<svg>", "</svg>", "<svg a=b/>", "<noscript>", "</noscript>"),
    *("<style>", "</style>", "<script>", "</script>", "<title>", "</title>", "<!--", "-->", "<!-->", "<plaintext>"),
    *("<", ">", "word ", "po", "&am", "p;", "\n", '"', "<x-y>", "<i>x</i>" * 40),
]


@given(st.lists(st.sampled_from(SCRAPS), max_size=120), st.integers(0, 400))
def test_it_makes_no_difference_how_many_tags_are_read_at_once(scraps: list[str], cut: int) -> None:
    """One after the other, four and more, or a thousand; nor how long the stretches are of a page full of drawings."""
    page = "".join(scraps)
    found = []
    for few, many, stretch in ((1, 1, 10_000), (4, 1024, 10_000), (1024, 1024, 10_000), (4, 1024, 7)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(source, "_STRETCH", stretch)
            patch.setattr(source, "_DRAWINGS", 0)
            patch.setattr(source, "_FEW", few)
            patch.setattr(source, "_MANY", many)
            found.append(seen(page[:cut], page[cut:]))
    assert found[0] == found[1] == found[2] == found[3]


@pytest.mark.parametrize(
    "piece",
    [
        "<svg></svg>",
        "<svg></svg><b>",
        "<svg/><p>",
        "<svg a='' /><iframe><p>",
        "<",
        "<b",
        "<script>",
        "<!--",
        "<!-",
        '<a b="',
        "<a b=",
        "<title>",
        "</",
        "&",
        "&#",
        '<a b=">" ',
        "<script x='",
        "<svg>",
        "<noscript>",
        "<svg><!--",
    ],
)
def test_a_page_made_to_be_slow_is_not(piece: str) -> None:
    """Half a megabyte of it in pieces is looked at once."""
    page = piece * (512 * 1024 // len(piece))
    began = time.process_time()
    for size in (16 * 1024, 64 * 1024):
        visible = Visible()
        for start in range(0, len(page), size):
            visible.feed(page[start : start + size])
        visible.feed("", last=True)
    assert time.process_time() - began < 8.0  # what looks at it again and again needs minutes


class Plain(HTMLParser):
    """Python's own reader, slow and sure."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self._hidden = ""

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """A border, and what follows a script is none of a reader's."""
        self.text.append(" ")
        self._hidden = self._hidden or (tag if tag in ("script", "style") else "")

    def handle_endtag(self, tag: str) -> None:
        """A border, too."""
        self.text.append(" ")
        self._hidden = "" if tag == self._hidden else self._hidden

    def handle_data(self, data: str) -> None:
        """What is seen."""
        self.text.append("" if self._hidden else data)


def test_real_pages_read_as_python_reads_them(real_data: Path) -> None:
    """The same words, comments apart and what Python reads otherwise than browsers."""
    pages = 0
    with tarfile.open(next((real_data / "pages").glob("*.tar.xz"))) as packed:
        for member in packed:
            stream = packed.extractfile(member) if member.isfile() else None
            if stream is not None:
                page = re.sub(r"<!--.*?-->", "", stream.read().decode("utf-8", "replace"), flags=re.DOTALL)
                page = re.sub(r"<(svg|noscript|iframe)\b.*?</\1>", "", page, flags=re.DOTALL | re.IGNORECASE)
                slow = Plain()
                slow.feed(page)
                slow.close()
                words = Visible().feed(page, last=True).replace(MARK, " ").split()
                assert words == "".join(slow.text).split(), member.name
                pages += 1
    assert pages
