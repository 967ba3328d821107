"""A page that a server answers under another spelling is closed under it, whoever closed it; no spelling opens one."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from categories.layered import LayeredIndex, OwnEntry, read_entry
from categories.names import canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource, starter_sources
from categories.statutory import Installed, StatutoryIndex
from categories.taxonomy import load_taxonomy
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Action, Request
from policy.rules import load_policy
from tests.categories.statutory_rig import ISSUER

PRESET = Path(__file__).parents[2] / "policy" / "presets" / "trust.yaml"
LESSON = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
KS2, KS4 = (Client(band=band, band_known=True) for band in (Band.KS2, Band.KS4))
RULES = """  - tier: override
    rules:
      - rule: closed-page
        what: ['url:ruled.example/Gallery/7', 'url:ruled.example/watch?v=BADvideo',
               'url:ruled.example/s?name=a+b', 'url:ruled.example/p?cat=1&id=2']
        action: block
      - rule: opened-page
        who: [ks2]
        what: ['url:opened.example/Lessons/3', 'url:opened.example/watch?v=GOOD', 'url:opened.example/maths/']
        action: allow
"""


@pytest.fixture(scope="module")
def engine() -> Engine:
    """The starter lists, a page closed by a list, one by hand, one by a rule, one by law; and pages that are opened."""
    taxonomy = load_taxonomy()
    text = PRESET.read_text("utf-8").replace("policies:\n", "policies:\n" + RULES, 1)
    policy = load_policy(text, file=PRESET.name, categories=taxonomy)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "games").mkdir()
        (folder / "games" / "domains").write_text("192.0.2.66\nsite.example\n")
        (folder / "games" / "urls").write_text(
            "listed.example/a/b\nlisted.example/watch?v=badvideo\nlisted.example/s?name=a+b\n"
        )
        build_snapshot((*starter_sources(), ListSource("ours", folder, "ut1")), folder / "lists", taxonomy)
        lists = open_snapshot(folder / "lists")
    own = [
        ("always-blocked", "own.example/a/b"),
        ("always-blocked", "own.example/watch?v=badvideo"),
        ("always-blocked", "own.example/s?name=a%20b"),
        ("always-blocked", "own.example/p?cat=1&id=2"),
        ("ks2-chosen", "chosen.example/find/?id=1"),
        ("ks2-chosen", "site.example/lessons"),
        ("ks2-chosen", "chosen.example/watch?v=good"),
        ("always-allowed", "site.example/watch?v=good"),
    ]
    layered = LayeredIndex(lists, [OwnEntry(n, what, *read_entry(entry)) for n, (what, entry) in enumerate(own, 1)])
    pages = ["a/b", "watch?v=badvideo", "s?name=a+b", "p?cat=1&id=2"]
    bundle = ISSUER.bundle(["192.0.2.77", *(f"lawful.example/{page}" for page in pages)])
    return Engine(StatutoryIndex([Installed("iwf", bundle)], layered), policy)


def action(engine: Engine, url: str, who: Client = KS4) -> Action:
    """What happens; and that explaining says the same."""
    request = Request(canonical_url(url))
    verdict = engine.decide(request, who, LESSON)
    assert verdict == engine.explain(request, who, LESSON).verdict
    return verdict.action


PAGES = [
    "/a/b",
    "/A/B",
    "/a%2Fb",
    "/a%5Cb",
    "/a%252Fb",
    "/a/b;x=1",
    "/a;y/b",
    "/a;y%2Fb",
    "/x%2F..%2Fa/b",
    "/a/b?q=1",
    "/a/b;/",
]
VIDEOS = [
    "/watch?v=BADvideo", "/watch?v=BADvide%6F", "/watch?%76=BADvideo", "/watch?&v=BADvideo", "/watch?t=1&v=BADvideo",
    "/watch?t=1;v=BADvideo", "/watch?v=BADvideo;t=1", "/watch?v=x&v=BADvideo", "/watch?v=BADvideo&v=x",
    "/Watch?v=BADvideo",
    "/watch?t=1&v=BADvideo&v=x", "/watch?t=1&v=x&v=BADvideo", "/watch;s=1?v=BADvideo", "/watch?v=BADvideo&v=BADvideo",
    "/watch/?v=BADvideo", "/watch/?t=1&v=BADvideo", "/watch/;s=1?v=BADvideo", "/watch%2F?v=BADvideo",
]  # fmt: skip


BLANKS = ["/s?name=a+b", "/s?name=a%20b", "/s?name=A b", "/s?x=1&name=a%2520b"]
SEARCHES = [
    "https://search.yahoo.com/search;_ylt=AwrE1;_ylu=X3?p=porn", "https://www.bing.com/SEARCH;x?Q=porn",
    "https://www.google.com/search%2F?q=porn", "https://www.google.com/search?x=1;q=porn", "https://school.example/?x=1&amp;s=porn",
    "https://school.example/search;x?q=porn", "https://school.example/en%2Fsearch?q=porn", "https://school.example/;x?s=porn",
    "https://duckduckgo.com/porn", "https://duckduckgo.com/free_porn?ia=web", "https://duckduckgo.com/c%2Fporn",
]  # fmt: skip


@pytest.mark.parametrize("url", SEARCHES)
def test_words_are_read_in_every_spelling_of_a_search(engine: Engine, url: str) -> None:
    """What is remembered of a host may not hide a search that another spelling of its path would show."""
    assert action(engine, url) is Action.BLOCK


@pytest.mark.parametrize("host", ["listed.example", "own.example", "ruled.example", "lawful.example"])
@pytest.mark.parametrize("target", BLANKS)
def test_a_blank_in_a_query_is_a_blank_however_it_is_written(engine: Engine, host: str, target: str) -> None:
    assert action(engine, f"https://{host}{target}") is Action.BLOCK


@pytest.mark.parametrize("host", ["own.example", "ruled.example", "lawful.example"])
def test_the_order_of_parameters_closes_or_opens_nothing(engine: Engine, host: str) -> None:
    for target in ("/p?cat=1&id=2", "/p?id=2&cat=1", "/p?id=2&x=3&cat=1", "/p?id=2&x=3&CAT=%31"):
        assert action(engine, f"https://{host}{target}") is Action.BLOCK
    assert action(engine, f"https://{host}/p?id=2") is Action.ALLOW


@pytest.mark.parametrize("host", ["listed.example", "own.example", "lawful.example"])
@pytest.mark.parametrize("target", [*PAGES, *VIDEOS])
def test_a_closed_page_is_closed_in_every_reading(engine: Engine, host: str, target: str) -> None:
    assert action(engine, f"https://{host}{target}") is Action.BLOCK


@pytest.mark.parametrize(
    "target", [*VIDEOS, "/Gallery/7", "/gallery/7", "/Gallery%2F7", "/gallery/7;x=1", "/GALLERY/7/8"]
)
def test_one_click_closes_every_reading_of_a_page(engine: Engine, target: str) -> None:
    assert action(engine, f"https://ruled.example{target}") is Action.BLOCK


@pytest.mark.parametrize(
    "url",
    [
        "https://listed.example/a/bc", "https://own.example/watch?v=other", "https://ruled.example/watch?x=v%3DBADvideo",
        "https://lawful.example/watch?v=other", "https://ruled.example/Gallery/77", "https://listed.example/",
    ],
)  # fmt: skip
def test_other_pages_stay_open(engine: Engine, url: str) -> None:
    assert action(engine, url) is Action.ALLOW


@pytest.mark.parametrize(
    "url",
    [
        "https://site.example/play%2F..%2Flessons", "https://site.example/play%5C..%5Clessons", "https://site.example/lessons%2F..%2Fplay",
        "https://site.example/lessons;%2F..%2Fplay", "https://site.example/watch%2F..%2Flessons?v=bad",
        "https://site.example/watch?v=bad&v=good", "https://site.example/watch?v=good&v=bad",
        "https://chosen.example/watch?v=bad&v=good", "https://chosen.example/watch?v=good&v=bad", "https://chosen.example/watch?t=1%26v=good",
        "https://opened.example/lessons/3", "https://opened.example/x%2F..%2FLessons/3", "https://opened.example/watch?v=GOOD&v=BAD",
        "https://opened.example/watch?t=1&v=BAD&v=GOOD", "https://opened.example/watch?v=good",
        "https://www.google.com/search%2F..%2Frecaptcha?q=x", "https://www.bbc.co.uk/iplayer%2F..%2Fbitesize",
    ],
)  # fmt: skip
def test_no_spelling_opens_a_page(engine: Engine, url: str) -> None:
    """Young children may open what was chosen; a chosen page hidden in another's address opens nothing."""
    assert action(engine, url, KS2) is Action.BLOCK


@pytest.mark.parametrize(
    "url",
    [
        "https://site.example/lessons", "https://site.example/lessons/1?x=1&y=2", "https://chosen.example/watch?v=good&t=9",
        "https://chosen.example/watch?t=9&v=good", "https://opened.example/Lessons/3/page", "https://opened.example/watch?v=GOOD&t=9",
        "https://opened.example/watch?t=9&v=GOOD", "https://opened.example/Lessons/3/?x=1", "https://opened.example/maths/?x=1",
        "https://opened.example/watch/?v=GOOD", "https://chosen.example/watch/?v=good", "https://chosen.example/find/?id=1",
        "https://chosen.example/find?id=1",
    ],
)  # fmt: skip
def test_a_chosen_page_is_open(engine: Engine, url: str) -> None:
    assert action(engine, url, KS2) is Action.ALLOW


@pytest.mark.parametrize("address", ["192.0.2.66", "192.0.2.77"])
@pytest.mark.parametrize("form", ["{0}", "[::ffff:{0}]", "[64:ff9b::{0}]", "[2002:c000:{1}::1]", "[::{0}]"])
def test_an_address_is_closed_in_every_form(engine: Engine, address: str, form: str) -> None:
    last = int(address.rpartition(".")[2])
    written = form.format(address, f"{2 * 256 + last:x}")
    assert action(engine, f"http://{written}/x", Client(band=Band.STAFF, band_known=True)) is not Action.ALLOW
    assert action(engine, f"http://{written}/x") is Action.BLOCK
