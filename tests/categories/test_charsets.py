"""The charset of a page, as browsers settle it.

Shows: `categories.charsetlabels`.
"""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.charsetlabels import _LABELS, known_charset
from categories.charsets import charset_of


@pytest.mark.parametrize(
    ("head", "declared", "codec"),
    [
        (b"\xef\xbb\xbfabc", "iso-8859-1", "utf-8"),
        (b"\xff\xfea\0", None, "utf-16-le"),
        (b"\xfe\xff\0a", "utf-8", "utf-16-be"),
        (b"<meta charset=koi8-r>", "windows-1251", "cp1251"),
        (b"<META http-equiv=x content='text/html; charset=Big5'>", None, "big5hkscs"),
        (b"<meta charset=utf-16>", None, "utf-8"),
        (b"caf\xc3\xa9", None, "utf-8"),
        (b"caf\xc3", None, "utf-8"),
        (b"caf\xe9 noir", None, "cp1252"),
        (b"caf\xe9 noir", "no-such", "cp1252"),
        (b"abc", "latin1", "cp1252"),
        (b"abc", "gb2312", "gb18030"),
        (b"abc", "utf16", "utf-8"),
        (b"abc", "utf_16_le", "utf-8"),
        (b"a\0b\0", "unicode", "utf-16-le"),
        (b"a\0b\0", " UTF-16 ", "utf-16-le"),
        (b"\0a\0b", "unicodeFFFE", "utf-16-be"),
        (b"abc", "hz-gb-2312", "utf-8"),
    ],
)
def test_mark_header_page_guess(head: bytes, declared: str | None, codec: str) -> None:
    """In this order."""
    assert charset_of(head, declared) == codec


@pytest.mark.parametrize(
    "label", ["rot13", "base64", "idna", "punycode", "unicode_escape", "utf-7", "zlib", "", "x" * 99]
)
def test_what_is_no_charset_of_the_web_is_none(label: str) -> None:
    """Python knows codecs that are no charsets, and one that hides markup."""
    assert known_charset(label) is None


def test_every_label_has_a_codec() -> None:
    """That turns octets into text; and no label has two."""
    labels = [label for all_of in _LABELS.values() for label in all_of.split()]
    assert len(labels) == len(set(labels))
    for codec in _LABELS:
        assert codecs.getincrementaldecoder(codec)("replace").decode(b"a\0", final=True)


@given(st.binary(max_size=200), st.none() | st.text(max_size=30))
def test_it_is_always_one_that_decodes(head: bytes, declared: str | None) -> None:
    """Whatever the page and its header are."""
    codecs.getincrementaldecoder(charset_of(head, declared))("replace").decode(head, final=True)
