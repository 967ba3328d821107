"""What is on a page, and what a band makes of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from categories.names import Url, canonical_url
from categories.pagescan import PageScan
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource
from policy.client import Band, Client
from policy.content import worst_page
from policy.engine import Engine
from policy.model import Action, Reason, Request, Stage, Verdict
from policy.problems import PolicyErrors
from policy.rules import load_policy
from tests.policy.school import TAXONOMY

AT = datetime(2026, 11, 24, 9, 20, tzinfo=UTC)
POLICY = """
schoolgate: 1
trust: Test
page_limits: {ks3: 100, ks4: 160}
policies:
  - tier: trust
    rules:
      - {rule: armoury, what: ["host:armoury.example"], action: allow}
  - tier: default
    rules:
      - {rule: no-weapons, who: [pupils], what: [weapons], action: block}
      - {rule: think, who: [ks4], what: [gambling], action: warn}
      - {rule: rest, what: [anything], action: allow}
"""
REQUEST = Request(canonical_url("https://a.example/page"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """Two lists that ask for pages, and a help site."""
    folder = tmp_path_factory.mktemp("content")
    (folder / "arms.txt").write_text("< sword ><70>\n< dagger ><60>\n< forbidden blade >\n")
    (folder / "bets.txt").write_text("< odds ><200>\n")
    (folder / "help.txt").write_text("help.example\n")
    sources = (
        ListSource("arms", folder / "arms.txt", "phrases", category="weapons", limit=60, apply_to=("page",)),
        ListSource("bets", folder / "bets.txt", "phrases", category="gambling", apply_to=("page", "search")),
        ListSource("help", folder / "help.txt", category="help"),
    )
    build_snapshot(sources, folder / "lists", TAXONOMY)
    return Engine(open_snapshot(folder / "lists"), load_policy(POLICY, file="policy.yaml", categories=TAXONOMY))


def decide(engine: Engine, page: str, band: Band, url: str = "https://a.example/page") -> Verdict:
    """What somebody of that band meets on that page."""
    pages = engine.index.pages
    assert pages is not None
    scan = PageScan(pages)
    scan.feed(page.encode())
    request = Request(canonical_url(url), Stage.RESPONSE, found=scan.findings(last=True))
    return engine.decide(request, Client(band=band, band_known=True), AT)


@pytest.mark.parametrize(
    ("page", "band", "action"),
    [
        ("a sword", Band.KS2, Action.BLOCK),
        ("a dagger", Band.KS2, Action.ALLOW),
        ("a sword", Band.KS3, Action.ALLOW),
        ("a sword and a dagger", Band.KS3, Action.BLOCK),
        ("a sword and a dagger", Band.KS4, Action.ALLOW),
        ("a forbidden blade", Band.KS4, Action.BLOCK),
        ("a forbidden blade", Band.STAFF, Action.ALLOW),
        ("the odds", Band.KS4, Action.WARN),
    ],
)
def test_the_bands_limit_decides_else_the_lists(engine: Engine, page: str, band: Band, action: Action) -> None:
    """More than the limit closes, as much does not; a banned phrase has no limit."""
    assert decide(engine, page, band).action is action


def test_the_verdict_tells_what_was_found(engine: Engine) -> None:
    """List, phrases, score, limit, and that it was the page."""
    verdict = decide(engine, "a sword and a dagger", Band.KS3)
    assert (verdict.reason, verdict.stage, verdict.rule) == (Reason.CONTENT, Stage.RESPONSE, "no-weapons")
    assert verdict.match is not None
    assert (verdict.match.list, verdict.match.entry) == ("arms", "< sword ><70> < dagger ><60> (130 points, limit 100)")
    assert verdict.because.startswith("The words on the page belong to Weapons")


def test_words_on_a_page_only_tighten(engine: Engine) -> None:
    """What a stronger row opens stays open; help sites stay open; nothing is opened by a page."""
    assert decide(engine, "a forbidden blade", Band.KS3, "https://armoury.example/").action is Action.ALLOW
    assert decide(engine, "a forbidden blade", Band.KS3, "https://help.example/").action is Action.ALLOW


@pytest.mark.parametrize(
    ("url", "band", "heeds"),
    [
        ("https://a.example/", Band.KS3, True),
        ("https://a.example/", Band.STAFF, False),
        ("https://help.example/", Band.KS3, False),
        ("https://armoury.example/", Band.KS3, False),
    ],
)
def test_only_pages_that_words_could_close_are_looked_at(engine: Engine, url: str, band: Band, heeds: bool) -> None:
    """The others are not held back at all."""
    request = REQUEST._replace(url=canonical_url(url))
    assert engine.heeds_page(request, Client(band=band, band_known=True), AT) is heeds


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["a.example", "help.example", "armoury.example", "b.a.example", "10.1.2.3"]),
    st.sampled_from(["/", "/a?b=c", "/search?q=forbidden", "/?url=https%3A%2F%2Farmoury.example%2F"]),
    st.sampled_from(Band),
    st.sampled_from([(), (canonical_url("https://armoury.example/"),)]),
)
def test_what_is_remembered_of_it_is_what_would_be_read(
    engine: Engine, host: str, path: str, band: Band, claims: tuple[Url, ...]
) -> None:
    """Asked again and again, for any page of a site, the answer is that of the whole table."""
    request = REQUEST._replace(url=canonical_url(f"https://{host}{path}"), claims=claims)
    client = Client(band=band, band_known=True)
    afresh = request._replace(stage=Stage.RESPONSE, found=(*worst_page(engine.index),))
    assert [engine.heeds_page(request, client, AT)] * 2 == [
        engine.decide(afresh, client, AT).blocked,
        engine.heeds_page(request, client, AT),
    ]


@pytest.mark.parametrize("limit", ["many", "-1", "1.5", "[1]", "9999999"])
def test_a_limit_is_a_whole_number(limit: str) -> None:
    """Said with its line."""
    with pytest.raises(PolicyErrors, match="limit"):
        load_policy(POLICY.replace("ks3: 100", f"ks3: {limit}"), file="policy.yaml", categories=TAXONOMY)
