"""What rules pass unread: what `validate` warns of, and that all the presets pass, on our own lists, does pass."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from categories.index import CompiledIndex
from categories.names import canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import starter_sources
from categories.taxonomy import load_taxonomy
from policy.client import Band, Client
from policy.model import Action, Request, Stage
from policy.passing import passed_below
from policy.rules import load_policy
from tests.policy.lists import PlainIndex
from tests.policy.test_overblocking import engine_of, entries_of

TAXONOMY = load_taxonomy()
RULES = """schoolgate: 1
policies:
  - tier: default
    rules:
      - {rule: pass, what: ["host:wiki.example", "host:forum.example", "host:bad.example"], action: bypass}
      - {rule: porn, what: [pornography], action: block}
      - {rule: rest, what: [anything], action: allow}
"""
LISTS = {
    "pornography": ["wiki.example/bad", "bad.example/bad"],
    "games": ["forum.example/chess"],
    "child-abuse": ["bad.example/worse"],
}


def test_a_host_with_a_closed_page_that_a_file_passes_is_warned_of() -> None:
    """With the rule's line and the category; not for pages that are open, nor where the host is read all the same."""
    policy = load_policy(RULES, file="policy.yaml", categories=TAXONOMY)
    (one,) = passed_below(policy, PlainIndex(LISTS))
    assert (one.file, one.line) == ("policy.yaml", 5)
    assert "passes wiki.example unread, and with it its pages that lists name as pornography" in one.what
    assert "action: allow" in one.instead


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CompiledIndex]:
    folder = tmp_path_factory.mktemp("starter")
    build_snapshot(starter_sources(), folder, TAXONOMY)
    yield open_snapshot(folder)


PASSED = [
    (category, host)
    for category in ("banking", "os-updates", "app-updates", "pinned-apps")
    for host in entries_of(category)
    if "/" not in host and not host.endswith(".test")
]
READ = {"apps.apple.com": "wrongly-listed"}
"""Hosts of those lists that another rule of the presets allows first: a shop window, no update."""


def test_pages_listed_below_what_is_passed_are_few_and_known(starter: CompiledIndex) -> None:
    """A new one is to be looked at: what the presets pass, nobody reads."""
    below = {host: starter.has_entries_below(host) for _, host in PASSED}
    assert {host: set(found) for host, found in below.items() if found} == {"revolut.com": {"cryptocurrency"}}


@pytest.mark.parametrize("preset", ["trust.yaml", "secondary.yaml", "primary.yaml"])
def test_banks_and_updates_pass_unread(starter: CompiledIndex, preset: str) -> None:
    """For staff all of them, listed pages below or not; for pupils updates and programs, and no bank."""
    engine, at = engine_of(starter, preset), datetime(2026, 11, 18, 11, 0, tzinfo=UTC)
    assert passed_below(engine.policy, starter) == ()
    for band in (Band.STAFF, Band.KS4):
        client = Client(band=band, band_known=True)
        for category, host in PASSED:
            verdict = engine.decide(Request(canonical_url(f"https://{host}/"), Stage.CONNECT, ""), client, at)
            read = host in READ or (category == "banking" and band is Band.KS4)
            assert verdict.action is (Action.ALLOW if read else Action.BYPASS), (band, category, host)
            assert verdict.rule == READ.get(host, verdict.rule)
