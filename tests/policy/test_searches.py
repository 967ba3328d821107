"""Search terms: what somebody typed, wherever they typed it (A-24, D-24)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.names import Url, canonical_url
from policy.searches import MAX_TERM, MAX_TERMS, search_terms
from policy.searchplaces import PLACES


@pytest.mark.parametrize(
    ("url", "terms"),
    [
        ("https://www.google.com/search?q=red+kites&hl=en", ["red kites"]),
        ("https://www.google.co.uk/search?hl=en&q=red%20kites", ["red kites"]),
        ("https://google.com.au/search?q=kites&tbm=isch", ["kites"]),
        ("https://images.google.de/images?q=drachen", ["drachen"]),
        ("https://lens.google.com/search?p=x&q=red+kites", ["red kites"]),
        ("https://www.google.com/searchbyimage?image_url=x&q=red+kites", ["red kites"]),
        ("https://uk.bing.com/images/search?q=red+kites", ["red kites"]),
        ("https://www.google.com/search?as_q=red&as_epq=big+kites", ["red", "big kites"]),
        ("https://scholar.google.com/scholar?q=kites", ["kites"]),
        ("https://www.google.com/complete/search?client=x&q=ki", ["ki"]),
        ("https://www.google.com/maps/search/kite+shops", ["kite shops"]),
        ("https://translate.google.com/?sl=en&tl=de&text=kite", ["kite"]),
        ("https://www.google.com/url?q=https://kites.example", []),
        ("https://www.google.com/imgres?q=x", []),
        ("https://www.bing.com/search?q=red+kites", ["red kites"]),
        ("https://www.bing.com/images/search?q=kites", ["kites"]),
        ("https://www.bing.com/videos/search?q=kites", ["kites"]),
        ("https://duckduckgo.com/?q=red+kites&ia=images", ["red kites"]),
        ("https://html.duckduckgo.com/html?q=kites", ["kites"]),
        ("https://uk.search.yahoo.com/search?p=kites", ["kites"]),
        ("https://images.search.yahoo.com/search/images?p=kites", ["kites"]),
        ("https://www.ecosia.org/search?q=kites", ["kites"]),
        ("https://search.brave.com/images?q=kites", ["kites"]),
        ("https://www.qwant.com/?q=kites&t=web", ["kites"]),
        ("https://www.startpage.com/sp/search?query=kites", ["kites"]),
        ("https://yandex.ru/search/?text=%EA%EE%F8%EA%E0", ["кошка"]),  # windows-1251
        ("https://yandex.com/images/search?text=kites", ["kites"]),
        ("https://www.baidu.com/s?wd=%E9%A3%8E%E7%AD%9D", ["风筝"]),
        ("https://www.baidu.com/s?ie=gb2312&wd=%B7%E7%F3%DD", ["风筝"]),
        ("https://www.ask.com/web?q=kites", ["kites"]),
        ("https://search.aol.com/aol/search?q=kites", ["kites"]),
        ("https://www.kiddle.co/s.php?q=kites", ["kites"]),
        ("https://swiggle.org.uk/?q=kites", ["kites"]),
        ("https://www.youtube.com/results?search_query=red+kites", ["red kites"]),
        ("https://m.youtube.com/results?search_query=kites", ["kites"]),
        ("https://en.wikipedia.org/w/index.php?search=red+kites", ["red kites"]),
        ("https://www.amazon.co.uk/s?k=kites&ref=x", ["kites"]),
        ("https://www.amazon.de/s/ref=x?field-keywords=drachen", ["drachen"]),
        ("https://www.ebay.co.uk/sch/i.html?_nkw=red+kites", ["red kites"]),
        ("https://www.reddit.com/r/kites/search/?q=red", ["red"]),
        ("https://www.reddit.com/r/kites/", []),
        ("https://www.tiktok.com/search?q=kites", ["kites"]),
        ("https://www.tiktok.com/tag/redkites", ["redkites"]),
        ("https://www.pinterest.co.uk/search/pins/?q=kites", ["kites"]),
        ("https://www.instagram.com/explore/tags/kites/", ["kites"]),
        ("https://x.com/search?q=kites", ["kites"]),
        ("https://twitter.com/hashtag/kites", ["kites"]),
        ("https://www.twitch.tv/search?term=kites", ["kites"]),
        ("https://giphy.com/search/red-kites", ["red kites"]),
        ("https://tenor.com/search/red-kites-gifs", ["red kites gifs"]),
        ("https://imgur.com/search?q=kites", ["kites"]),
        ("https://pixabay.com/images/search/red%20kites/", ["red kites"]),
        ("https://unsplash.com/s/photos/red-kites", ["red kites"]),
        ("https://www.flickr.com/search/?text=kites", ["kites"]),
        ("https://www.etsy.com/uk/search?q=kites", ["kites"]),
        ("https://www.temu.com/search_result.html?search_key=kites", ["kites"]),
        ("https://www.shein.co.uk/pdsearch/red%20kites/", ["red kites"]),
        ("https://archive.org/search?query=kites", ["kites"]),
        ("https://github.com/search?q=kites&type=code", ["kites"]),
        ("https://stackoverflow.com/search?q=kites", ["kites"]),
        ("https://www.perplexity.ai/search?q=red+kites", ["red kites"]),
        ("https://chatgpt.com/?q=red+kites", ["red kites"]),
        ("https://copilot.microsoft.com/?q=kites", ["kites"]),
        ("https://www.microsoft.com/?q=kites", []),
        # a site's own search, only where it is sure
        ("https://school.example/?s=red+kites", ["red kites"]),
        ("https://school.example/search?q=kites", ["kites"]),
        ("https://school.example/en/search/?query=kites", ["kites"]),
        ("https://school.example/page?q=kites", []),
        ("https://school.example/?q=kites", []),
        ("https://school.example/", []),
        ("https://duckduckgo.com/red_kites?ia=web", ["red kites"]),
        ("https://duckduckgo.com/script.js", []),
        ("https://duckduckgo.com/assets/red", []),
        # spellings
        ("https://search.yahoo.com/search;_ylt=A0geK;_ylu=X3?p=kites", ["kites"]),
        ("https://www.bing.com/Images/Search?Q=kites", ["kites"]),
        ("https://google.com/search?hl=en&amp;q=kites", ["kites"]),
        ("https://google.com/search?hl=en;q=kites", ["kites"]),
        ("https://google.com/search%2F?q=kites", ["kites"]),
        ("https://giphy.com/Search/red-Kites;x=1", ["red Kites;x=1", "red Kites"]),
        ("https://school.example/search;x?q=kites", ["kites"]),
        ("https://school.example/;x?s=kites", ["kites"]),
        ("https://google.com/search?%71=red+kites", ["red kites"]),  # q, percent-encoded
        ("https://google.com/search?q=r%C3%A9d", ["réd"]),
        ("https://google.com/search?q=r%E9d", ["réd"]),  # latin-1
        ("https://google.com/search?q=%u0441%u043E%u043D", ["сон"]),
        ("https://google.com/search?q=+++", []),
        ("https://google.com/search?q=re%00d%E2%80%8Bkites%0A%0Ax", ["redkites x"]),
        ("https://google.com/search?q=kites&q=kites&q=red", ["kites", "red"]),
        ("https://google.com/search?xq=kites", []),
    ],
)
def test_what_was_searched_for(url: str, terms: list[str]) -> None:
    """The words as people typed them, cleaned; nothing where nothing was searched."""
    assert list(search_terms(canonical_url(url))) == terms


def test_there_are_enough_places_and_each_is_reachable() -> None:
    """Every row of the table has a key and something to find."""
    assert len(PLACES) >= 40
    for place in PLACES:
        assert place.keys, place
        assert place.params or place.inside, place


@given(
    st.sampled_from(sorted({key for place in PLACES for key in place.keys})), st.text(max_size=50), st.text(max_size=80)
)
def test_it_never_raises_and_always_answers_clean_text(key: str, path: str, query: str) -> None:
    """Whatever comes over the wire, lone surrogates included, terms are printable, folded and bounded."""
    host = key if "." in key else f"{key}.com"
    terms = search_terms(Url("https", host, 443, "/" + path, "q=" + query + "&" + query, host))
    assert len(terms) <= MAX_TERMS
    for term in terms:
        assert term == " ".join(term.split())
        assert term.isprintable()
        assert 0 < len(term) <= MAX_TERM


def test_a_surrogate_is_no_trouble() -> None:
    """Bytes that are no text come in as surrogates."""
    assert search_terms(Url("https", "google.com", 443, "/search", "q=a\udcffb", "google.com")) == ("a?b",)


def test_a_megabyte_of_query_costs_little() -> None:
    """Words are found behind any amount of padding, without a pause that others would feel."""
    padding = "x=1&" * 250_000
    url = Url("https", "www.google.com", 443, "/search", f"{padding}q=kites", "google.com")
    start = time.perf_counter()
    assert search_terms(url) == ("kites",)
    assert time.perf_counter() - start < 2.0
