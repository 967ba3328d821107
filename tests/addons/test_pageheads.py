"""What heads say of a page, read as browsers read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.test import tutils

from addons.pageheads import ask_for_readable, is_page, is_xml, media_type


@pytest.mark.parametrize(
    ("value", "essence", "charset"),
    [
        ("text/html", "text/html", None),
        ("TEXT/HTML; Charset=UTF-8; x=y", "text/html", "UTF-8"),
        ("text/html; x-charset=utf-16le; charset=utf-8", "text/html", "utf-8"),
        ('text/html; x="; charset=utf-16le"; charset=utf-8', "text/html", "utf-8"),
        ('text/html;charset="utf\\-8"', "text/html", "utf-8"),
        ("text/html;charset=a;charset=b", "text/html", "a"),
        ("text/html, text/html", "text/html", None),
        ("text/html;charset=utf-8, text/html", "text/html", "utf-8"),
        ("text/html;charset=utf-8, text/plain", "text/plain", None),
        ("text/html, */*", "text/html", None),
        ("image/png, text/html", "text/html", None),
        ("nonsense", "", None),
        ("", "", None),
    ],
)
def test_a_content_type_is_read_as_browsers_read_it(value: str, essence: str, charset: str | None) -> None:
    """The last of a list, the first charset, no word within another."""
    assert media_type(value) == (essence, charset)


@given(st.text(st.sampled_from('text/html;, ="\\charset*'), max_size=60))
def test_no_content_type_is_too_odd(value: str) -> None:
    """Whatever an origin sends."""
    media_type(value)


@pytest.mark.parametrize(
    ("essence", "dest", "page"),
    [
        ("text/html", "", True),
        ("text/xml", "empty", True),
        ("application/rss+xml", "document", True),
        ("image/svg+xml", "document", True),
        ("image/svg+xml", "image", False),
        ("*/*", "", True),
        ("unknown/unknown", "", True),
        ("image/png", "document", False),
        ("application/json", "document", False),
    ],
)
def test_what_a_browser_shows_is_a_page(essence: str, dest: str, page: bool) -> None:
    """Drawings in a page are no pages."""
    assert is_page(essence, dest) is page


def test_xml_is_told_by_its_name() -> None:
    """XHTML and drawings are; HTML is not."""
    assert is_xml("application/xhtml+xml")
    assert is_xml("text/xml")
    assert not is_xml("text/html")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd"),
        ("gzip, br;q=0.5, dcb, dcz, compress", "gzip, br;q=0.5"),
        ("dcb", "identity"),
    ],
)
def test_only_what_can_be_undone_is_asked_for(asked: str, sent: str) -> None:
    """Dictionaries, too, stay with the browser."""
    request = tutils.treq()
    request.headers["accept-encoding"] = asked
    request.headers["available-dictionary"] = ":abc=:"
    ask_for_readable(request)
    assert request.headers["accept-encoding"] == sent
    assert "available-dictionary" not in request.headers


@pytest.mark.parametrize(
    ("dest", "accept", "kept"),
    [("document", "", False), ("video", "*/*", True), ("", "text/html,*/*", False), ("", "*/*", True)],
)
def test_all_of_a_page_is_asked_for(dest: str, accept: str, kept: bool) -> None:
    """Films are still fetched in parts."""
    request = tutils.treq()
    request.headers["range"], request.headers["accept"] = "bytes=0-", accept
    if dest:
        request.headers["sec-fetch-dest"] = dest
    ask_for_readable(request)
    assert ("range" in request.headers) is kept
