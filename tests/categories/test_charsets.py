"""The charset of a page, as browsers settle it."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.charsets import charset_of, known_charset


@pytest.mark.parametrize(
    ("head", "declared", "codec"),
    [
        (b"\xef\xbb\xbfabc", "iso-8859-1", "utf-8"),
        (b"\xff\xfea\0", None, "utf-16-le"),
        (b"\xfe\xff\0a", "utf-8", "utf-16-be"),
        (b"<meta charset=koi8-r>", "windows-1251", "cp1251"),
        (b"<META http-equiv=x content='text/html; charset=Big5'>", None, "big5"),
        (b"<meta charset=utf-16>", None, "utf-8"),
        (b"caf\xc3\xa9", None, "utf-8"),
        (b"caf\xc3", None, "utf-8"),
        (b"caf\xe9 noir", None, "cp1252"),
        (b"caf\xe9 noir", "no-such", "cp1252"),
        (b"abc", "latin1", "cp1252"),
        (b"abc", "gb2312", "gb18030"),
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


@given(st.binary(max_size=200), st.none() | st.text(max_size=30))
def test_it_is_always_one_that_decodes(head: bytes, declared: str | None) -> None:
    """Whatever the page and its header are."""
    codecs.getincrementaldecoder(charset_of(head, declared))("replace").decode(head, final=True)
