"""Phrases of every kind, from a list file through a real snapshot to a verdict."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from categories.model import EntryKind
from categories.names import canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource, starter_sources
from policy.engine import Engine
from policy.model import Action, Reason, Request, Stage, Verdict
from tests.policy.school import LONDON, PEOPLE, TAXONOMY, school_policy

AT = datetime(2026, 11, 24, 9, 20, tzinfo=LONDON)
PUPIL = PEOPLE["Year 10"]
GRAMMAR = """# what e2guardian writes
< sex ><50>
< anal ><40>
<cunt><70>
< cock ><40>
< dick><40>
< clip ><20>
< breast ><50>
<naked>,< girls ><80>
< lesson ><-60>
< weapon of shame >
<half><101%>
"word of shame"
"""
SPARED = "<breast cancer>\n< sex education >\nrshe\nScunthorpe\n"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The starter lists, a list for searches, its exceptions, and one that wants addresses read."""
    folder = tmp_path_factory.mktemp("phrases")
    (folder / "adult.txt").write_text(GRAMMAR, encoding="utf-8")
    (folder / "spared.txt").write_text(SPARED, encoding="utf-8")
    (folder / "harm.txt").write_text('"gloom site"\n< gloom >,< ways ><61>\n', encoding="utf-8")
    sources = (
        *starter_sources(),
        ListSource("adult", folder / "adult.txt", "phrases", category="pornography", limit=60),
        ListSource("spared", folder / "spared.txt", "exception-phrases", category="set-aside"),
        ListSource("harm", folder / "harm.txt", "phrases", category="self-harm", apply_to=("search", "url")),
    )
    assert build_snapshot(sources, folder / "snapshots", TAXONOMY).problems == ()
    return Engine(open_snapshot(folder / "snapshots"), school_policy())


def decide(engine: Engine, url: str, stage: Stage = Stage.REQUEST) -> Verdict:
    """What a Year 10 pupil meets in a lesson."""
    return engine.decide(Request(canonical_url(url), stage), PUPIL, AT)


def search(engine: Engine, words: str) -> Verdict:
    """What a search meets."""
    return decide(engine, f"https://www.google.com/search?q={words.replace(' ', '+')}")


@pytest.mark.parametrize(
    ("words", "evidence", "score"),
    [
        ("anal sex", "< sex ><50> < anal ><40>", 90),
        ("4n4l s3x", "< sex ><50> < anal ><40>", 90),
        ("cunts", "<cunt><70>", 70),
        ("girls, naked", "<naked>,< girls ><80>", 80),
        ("weapon of shame", "< weapon of shame >", 0),
        ("sex clip", "< sex ><50> < clip ><20>", 70),
        ("half", "<half><60>", None),
        ("word of shame", "word of shame", 0),
        ("word of shame breast cancer", "word of shame", 0),
    ],
)
def test_a_search_over_the_limit_is_closed_with_its_evidence(
    engine: Engine, words: str, evidence: str, score: int | None
) -> None:
    """D3: weights add up, combinations, banned phrases; 101 % of 60 is 60, which is not more than 60."""
    verdict = search(engine, words)
    if score is None:
        assert verdict.action is Action.ALLOW
        return
    assert (verdict.action, verdict.reason, verdict.rule) == (Action.BLOCK, Reason.SEARCH, "no-pornography")
    assert verdict.terms == (words,)
    assert verdict.match is not None
    assert (verdict.match.kind, verdict.match.entry, verdict.match.weight) == (EntryKind.PHRASE, evidence, score)
    assert verdict.match.list == "adult"


@pytest.mark.parametrize(
    "words",
    """Scunthorpe | Scunthorpe cunt | Sussex | Middlesex | Penistone | Essex | cockpit | Dickens | analysis | sex
    | breast cancer | breast cancer sex clip | sex education | sex education clip | anal sex RSHE | naked mole rat
    | anal sex lesson | University of Sussex video analysis""".split("|"),  # noqa: SIM905
    ids=str.strip,
)
def test_places_lessons_and_exceptions_pass(engine: Engine, words: str) -> None:
    """Word borders, points below zero, exceptions: of the same list or of another."""
    verdict = search(engine, words.strip())
    assert verdict.action is Action.ALLOW
    assert "pornography" not in verdict.categories


@pytest.mark.parametrize(
    ("url", "closed"),
    [
        ("https://any.example/a/gloom-site.html", True),
        ("https://any.example/?page=gloom%20site", True),
        ("https://gloom.ways.example/", True),
        ("https://ways.example/gl00m/", True),
        ("https://gloom.example/rshe/ways", False),
        ("https://gloomsite.example/", False),
        ("https://any.example/anal/sex/video", False),
        ("https://any.example/" + "x" * 3000 + "/gloom-site", False),
        ("https://any.example/word-of-shame", False),
    ],
)
def test_words_of_addresses_count_for_lists_that_ask(engine: Engine, url: str, closed: bool) -> None:
    """Labels, path and query; plain phrases by themselves, weighted ones together; exceptions of every list."""
    verdict = decide(engine, url)
    assert (verdict.action is Action.BLOCK) is closed
    if closed:
        assert verdict.match is not None
        assert (verdict.match.kind, verdict.match.list, verdict.reason) == (EntryKind.PHRASE, "harm", Reason.RULE)
        assert "words of the address" in verdict.because
        assert decide(engine, url, Stage.CONNECT).action is not Action.BLOCK


def test_help_is_open_whatever_its_address_says(engine: Engine) -> None:
    """B-53."""
    assert decide(engine, "https://www.childline.org.uk/gloom-site/gloom/ways").action is Action.ALLOW


def test_what_a_list_wants_is_part_of_the_revision(tmp_path: Path) -> None:
    """Another limit is another set of lists: nothing that remembers decisions may mix them up."""
    (tmp_path / "a.txt").write_text("<poker><50>\n")
    revisions = [
        build_snapshot((ListSource("a", tmp_path / "a.txt", "phrases", limit=limit),), tmp_path / "s", TAXONOMY)
        for limit in (60, 40)
    ]
    assert revisions[0].revision != revisions[1].revision
    assert [match.weight for match in open_snapshot(tmp_path / "s").match_text("poker")] == [50]
