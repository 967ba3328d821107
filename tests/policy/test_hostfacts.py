"""Requests of which only the host matters, and all the ways in which more does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from categories.names import canonical_url
from policy import hostfacts
from policy.client import Band, Client
from policy.engine import Engine
from policy.hostfacts import Hosts
from policy.model import Request, Signal, Stage
from tests.policy.lists import PlainIndex
from tests.policy.school import LESSON, LISTS, SCHOOL, school_engine

INDEX = PlainIndex({"games": ["games.example", "paged.example/dir"], "news": ["bbc.co.uk"]})
PUPIL = Client(site="riverside", band=Band.KS3, band_known=True)


def settles(url: str, method: str = "GET", **more: object) -> bool:
    hosts = Hosts(INDEX, frozenset({"ruled.example"}))
    return hosts.settle(Request(canonical_url(url), method=method, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "https://plain.example/",
        "https://plain.example/a/page?id=7",
        "https://www.games.example/play?x=%2e%2e",
        "https://www.bbc.co.uk/news/uk-1?at=x",
        "https://www.google.com/maps?hl=en",
        "https://10.1.2.3/x",
        "https://www.paged.example/elsewhere",
        "https://www.paged.example/elsewhere/dir?dir",
        "https://plain.example/a;b",
        "https://plain.example/a%2Fb?c=d&c=e",
        "https://plain.example/a%5Cb",
        "https://plain.example/?id=7&id=8",
    ],
)
def test_nothing_but_the_host_matters(url: str) -> None:
    assert settles(url)


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("https://www.bbc.co.uk/a;b", {}),
        ("https://www.bbc.co.uk/a%2Fb", {}),
        ("https://www.bbc.co.uk/a%5Cb", {}),
        ("https://plain.example/x;y/..%2Fsearch;z?q=rude", {}),
        ("https://plain.example/%2F;y?s=rude", {}),
        ("https://plain.example/?" + "s=&" * 40 + "s=rude", {}),
        ("https://www.bbc.co.uk/search?" + "q=&" * 40 + "q=rude", {}),
        ("https://paged.example/dir", {}),
        ("https://paged.example/DIR/page", {}),
        ("https://paged.example/dir=1", {}),
        ("https://www.paged.example/elsewhere;/../dir", {}),
        ("https://www.paged.example/elsewhere%2F..%2Fdir", {}),
        ("https://www.paged.example/elsewhere%5C..%5Cdir", {}),
        ("https://www.ruled.example/x", {}),
        ("https://www.bbc.co.uk/search?q=kittens", {}),
        ("https://plain.example/?s=kittens", {}),
        ("https://plain.example/site/Search/?query=kittens", {}),
        ("https://translate.google.com/translate?u=https%3A%2F%2Fgames.example%2F", {}),
        ("https://plain.example/dns-query?dns=x", {}),
        ("https://plain.example/uv/service/https%3A%2F%2Fx", {}),
        ("http://secret.onion/", {}),
        ("https://www.google.com/search", {"method": "POST"}),
        ("https://plain.example/", {"signals": frozenset({Signal.NO_SNI})}),
        ("https://plain.example/", {"terms": ("kittens",)}),
    ],
)
def test_more_than_the_host_matters(url: str, more: dict[str, object]) -> None:
    assert not settles(url, **more)  # type: ignore[arg-type]


def test_at_connect_only_the_name_is_known() -> None:
    """The path is not there yet, so nothing in it can matter."""
    assert settles("https://plain.example/", stage=Stage.CONNECT)
    assert settles("https://paged.example/", stage=Stage.CONNECT)
    assert not settles("https://ruled.example/", stage=Stage.CONNECT)


def test_facts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hostfacts, "HOSTS_REMEMBERED", 50)
    hosts = Hosts(INDEX, frozenset())
    for number in range(500):
        assert hosts.settle(Request(canonical_url(f"https://h{number}.example/")))
    assert len(hosts._known) <= 50


PATHS = [
    "/", "/?s=rude", "/search?q=rude", "/a/search/?query=unspeakable&x=1", "/dns-query", "/games/1", "/hidden",
    "/browse.php?u=https%3A%2F%2Fgames.example%2F&b=4", "/uv/service/https%3A%2F%2Fgames.example", "/lessons/2?q=1",
    "/translate?u=https%3A%2F%2Fgames.example%2F", "/url?q=https://illegal.example/", "/http/x", "/results?k=rude",
    "/games;x/1", "/x;y/..%2Fgames%2F1", "/%2F;y?s=rude", "/?id=1&id=2", "/search;x?id=1&q=rude&q=nice",
    "/x;1/?x=1;q=rude",
    "/?" + "s=&" * 40 + "s=rude", "/search?" + "q=&" * 40 + "q=rude", "/a%5Cb/search%2F?q=rude;q=",
]  # fmt: skip
NAMES = sorted(
    {entry.partition("/")[0] for lines in LISTS.values() for entry in lines if "word:" not in entry}
    | {"www.google.com", "translate.google.com", "bing.com", "plain.example", "x.onion", "10.1.2.3", "bbc.co.uk"}
)
ASKED = st.builds(
    lambda host, path, stage, method: Request(canonical_url(f"https://{host}{path}"), stage, method),
    st.sampled_from(NAMES),
    st.sampled_from(PATHS),
    st.sampled_from([Stage.CONNECT, Stage.REQUEST]),
    st.sampled_from(["GET", "POST"]),
)
WITH_A_PAGE_RULE = school_engine(
    SCHOOL.replace(
        "policies:\n",
        "policies:\n  - {tier: override, rules: [{rule: page, what: ['url:bbc.co.uk/search'], action: block}]}\n",
        1,
    )
)


@given(st.lists(ASKED, min_size=1, max_size=12), st.sampled_from([Band.KS1, Band.KS4, Band.STAFF]))
@settings(deadline=None, max_examples=300)
def test_the_short_way_and_the_whole_table_agree(asked: list[Request], band: Band) -> None:
    """Explaining always reads the whole table: whatever was asked before, both say the same (§5.5)."""
    who = Client(site="riverside", band=band, band_known=True)
    engine: Engine = WITH_A_PAGE_RULE
    for request in asked:
        assert engine.decide(request, who, LESSON) == engine.explain(request, who, LESSON).verdict
