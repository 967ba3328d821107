"""The school day, decided: every row of `school-day.tsv` through the starter lists, the trust preset and `decide`."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import starter_sources
from categories.taxonomy import Kind, load_taxonomy
from policy.client import Band
from policy.engine import Engine
from policy.model import Action, Signal, Tier
from policy.rules import load_policy
from policy.shapes import shape
from tests.scenarios.reading import RowError, Scenario, load_scenarios, read_time

PRESET = Path(__file__).resolve().parents[2] / "policy" / "presets" / "trust.yaml"
SCENARIOS = load_scenarios()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The engine a school has on its first day: starter lists and the trust preset."""
    taxonomy = load_taxonomy()
    folder = tmp_path_factory.mktemp("lists")
    report = build_snapshot(starter_sources(), folder, taxonomy)
    assert report.problems == ()
    policy = load_policy(PRESET.read_text(encoding="utf-8"), file=PRESET.name, categories=taxonomy)
    return Engine(open_snapshot(folder), policy)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_the_verdict_is_what_the_row_says(engine: Engine, scenario: Scenario) -> None:
    """Action always; category and tier where the row settles them."""
    verdict = engine.decide(scenario.request(), scenario.client(), scenario.at)
    seen = f"{scenario.words}: {verdict.action} by {verdict.tier}/{verdict.rule}, {verdict.category}: {verdict.because}"
    assert verdict.action is scenario.action, seen
    if scenario.category is not None:
        assert verdict.category == scenario.category, seen
    if scenario.tier is not None:
        assert verdict.tier is scenario.tier, seen
    assert verdict.because, seen


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_explain_gives_the_same_verdict(engine: Engine, scenario: Scenario) -> None:
    """The answer to "why?" cannot disagree with the filter (design 5.5)."""
    asked = (scenario.request(), scenario.client(), scenario.at)
    explanation = engine.explain(*asked)
    verdict = engine.decide(*asked)
    assert explanation.verdict == verdict
    told = explanation.as_json()
    assert (told["action"], told["blocked"], told["rule"]) == (verdict.action, verdict.blocked, verdict.rule)
    assert told["category"] == verdict.category
    assert told["revision"] == engine.revision


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)
def test_the_group_alone_settles_the_band(engine: Engine, scenario: Scenario) -> None:
    """A preset's groups carry the bands the rows speak of, so that a directory needs to know only the group."""
    if scenario.groups:
        assert engine.policy.band_of_groups(scenario.groups) is scenario.band


def test_the_rows_cover_the_school() -> None:
    """Enough rows, every band and nobody, every action, every tier a file or the product can write, every signal."""
    assert len(SCENARIOS) >= 160
    assert {scenario.band for scenario in SCENARIOS} == {*Band, None}
    assert {scenario.action for scenario in SCENARIOS} == {*Action}
    assert {scenario.tier for scenario in SCENARIOS} >= {Tier.LOCKED, Tier.TRUST, Tier.SITE, Tier.DEFAULT}
    by_form = (shape(scenario.request().url, scenario.method) for scenario in SCENARIOS)
    assert frozenset().union(*(scenario.signals for scenario in SCENARIOS), *by_form) == {*Signal}


def test_every_row_has_a_name_and_a_requirement() -> None:
    """Other tests choose rows by name; reviewers find rows by requirement."""
    assert [name for name, count in Counter(scenario.id for scenario in SCENARIOS).items() if count > 1] == []
    known = re.compile(r"[A-Z]-[0-9]{2}[a-z]?|C[0-9]{1,2}")
    assert [s.id for s in SCENARIOS if not s.requirements or not all(map(known.fullmatch, s.requirements))] == []


def test_every_illegal_and_harmful_category_is_refused_to_a_child_somewhere() -> None:
    """F-05, F-08 to F-12j: no category of harm is left without a row."""
    taxonomy = load_taxonomy()
    harmful = {category.name for category in taxonomy.of_kind(Kind.STATUTORY, Kind.HARMFUL)}
    shown = {scenario.category for scenario in SCENARIOS if scenario.action is Action.BLOCK}
    assert harmful - shown == set()


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("x\tYear 14 pupil at Oakwood\tTue 24 Nov 2026 10:20\thttps://a.example/\tblock\t-\t-\tF-13", "no Year 14"),
        ("x\tYear 4 pupil at Oaktree\tTue 24 Nov 2026 10:20\thttps://a.example/\tblock\t-\t-\tF-13", "where is"),
        ("x\tGoat at Oakwood\tTue 24 Nov 2026 10:20\thttps://a.example/\tblock\t-\t-\tF-13", "who is"),
        ("x\tYear 4 pupil at Oakwood\tMon 24 Nov 2026 10:20\thttps://a.example/\tblock\t-\t-\tF-13", "is a Tue"),
        ("x\tYear 4 pupil at Oakwood\tTue 24 Nov 2026 10:20\tsearch altavista: x\tblock\t-\t-\tF-13", "search"),
        ("x\tYear 4 pupil at Oakwood\tTue 24 Nov 2026 10:20", "3 columns"),
        ("x\tYear 4 pupil at Oakwood\tTue 24 Nov 2026 10:20\thttps://a.example/\tban\t-\t-\tF-13", "ban"),
    ],
)
def test_a_row_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, row: str, what: str) -> None:
    """A scenario that nobody can read must not pass as one that holds."""
    file = tmp_path / "rows.tsv"
    file.write_text("id\twho\twhen\trequest\taction\tcategory\ttier\trequirements\n" + row + "\n", encoding="utf-8")
    with pytest.raises(RowError, match=rf"rows\.tsv:2: .*{what}"):
        load_scenarios(file)


def test_london_and_utc_are_told_apart() -> None:
    """10:20 in October is 09:20 UTC, in November 10:20 UTC."""
    assert read_time("Fri 23 Oct 2026 10:20") == read_time("Fri 23 Oct 2026 09:20 UTC")
    assert read_time("Tue 24 Nov 2026 10:20") == read_time("Tue 24 Nov 2026 10:20 UTC")
