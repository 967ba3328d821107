"""Over-blocking: what belongs to school stays open, also when a large list names it; and our allow list opens no more.

The corpus is `benchmarks/benign.tsv`, written for this; `benchmarks/overblocking.py` measures the same on real lists.
"""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from benchmarks.overblocking import (
    AT,
    BENIGN,
    OLDER,
    OWN,
    YOUNGER,
    benign_urls,
    client_of,
    mistaken,
    tally,
    without_own,
)
from categories.index import CompiledIndex
from categories.model import EntryKind
from categories.names import Url, canonical_url, host_suffixes
from categories.parse import Entry, parse
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import STARTER, ListSource, starter_sources
from categories.taxonomy import Kind, load_taxonomy
from policy.client import Band
from policy.engine import Engine
from policy.model import Action, Request, Signal, Tier
from policy.rules import load_policy

PRESETS = Path(__file__).resolve().parents[2] / "policy" / "presets"
WHOLE = ("trust.yaml", "primary.yaml", "secondary.yaml")
TAXONOMY = load_taxonomy()
BENIGN_URLS = tuple(benign_urls())


def entries_of(category: str) -> list[str]:
    """Hosts and pages of a starter list."""
    read = parse("starter", io.BytesIO((STARTER / f"{category}.txt").read_bytes()), category)
    return [entry.value for entry in read if isinstance(entry, Entry) and entry.kind is not EntryKind.PHRASE]


LISTED = [host for host in entries_of(OWN) if not host.endswith(".test")]


def engine_of(index: CompiledIndex, name: str = "trust.yaml", *, own: bool = True) -> Engine:
    text = (PRESETS / name).read_text(encoding="utf-8")
    return Engine(index, load_policy(text if own else without_own(text), file=name, categories=TAXONOMY))


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> CompiledIndex:
    folder = tmp_path_factory.mktemp("starter")
    build_snapshot(starter_sources(), folder, TAXONOMY)
    return open_snapshot(folder)


def careless(folder: Path, category: str) -> CompiledIndex:
    """The starter lists, and a list of somebody else that names all of our allow list, and a bad host, as one thing."""
    wrong = folder / "wrong.txt"
    wrong.write_text("\n".join([*LISTED, "bad-host.example"]), encoding="utf-8")
    build_snapshot((*starter_sources(), ListSource("wrong", wrong, category=category)), folder / "lists", TAXONOMY)
    return open_snapshot(folder / "lists")


def test_the_corpus_is_large_and_says_nothing_twice() -> None:
    """F-13 names its subjects: RSHE, biology, history, charities, LGBT+, towns, surnames; and universities."""
    rows = [line.split("\t") for line in BENIGN.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert len(rows) >= 350
    assert len({what for _, what in rows}) == len(rows)
    subjects = {"rshe", "biology", "history", "charity", "lgbt", "towns", "names", "universities", "health", "religion"}
    assert subjects <= {subject for subject, _ in rows}


@pytest.mark.parametrize("band", OLDER)
@pytest.mark.parametrize("name", ["trust.yaml", "secondary.yaml"])
def test_nothing_benign_is_closed_by_our_own_lists(starter: CompiledIndex, name: str, band: Band) -> None:
    """K-03: the false-block rate of what we ship is none in this corpus."""
    engine = engine_of(starter, name)
    assert dict(tally(engine, engine, BENIGN_URLS, band).still) == {}


def test_answers_everybody_knows(starter: CompiledIndex) -> None:
    """The check of the benchmark, on the starter lists."""
    assert list(mistaken(engine_of(starter, own=False), engine_of(starter))) == []


@pytest.mark.parametrize("category", ["pornography", "games", "chat", "advertising", "proxy-avoidance", "dating"])
def test_what_a_large_list_names_wrongly_is_open_all_the_same(tmp_path: Path, category: str) -> None:
    """And only that: without the rule every one of them is closed, and what the list names rightly stays closed."""
    index = careless(tmp_path, category)
    before, after = engine_of(index, own=False), engine_of(index)
    found = tally(before, after, [Url("https", host, 443) for host in (*LISTED, "bad-host.example")], Band.KS3)
    assert "bad-host.example" in found.still
    assert set(found.still) == {"bad-host.example"}
    assert len(found.opened) > len(LISTED) * 3 // 4


@pytest.mark.parametrize("category", ["malware", "phishing", *(c.name for c in TAXONOMY.of_kind(Kind.STATUTORY))])
def test_malware_and_illegal_content_are_never_overruled(tmp_path: Path, category: str) -> None:
    """A good site may be broken into, and LOCKED beats everything (F-04)."""
    engine = engine_of(careless(tmp_path, category))
    for band in OLDER:
        decided = {engine.decide(Request(Url("https", host, 443)), client_of(band), AT).action for host in LISTED}
        assert decided == {Action.BLOCK}


@pytest.mark.parametrize("signal", [Signal.NAME_MISMATCH, Signal.ODD_PORT, Signal.NO_SNI])
def test_a_request_that_hides_what_it_is_gets_no_help_from_the_list(starter: CompiledIndex, signal: Signal) -> None:
    """Whoever borrows a good name to get round the filter is met as if it were not listed."""
    engine, client = engine_of(starter), client_of(Band.KS4)
    request = Request(canonical_url("https://emojipedia.org/"), signals=frozenset({signal}))
    verdict = engine.decide(request, client, AT)
    assert (verdict.action, verdict.tier) == (Action.BLOCK, Tier.TRUST)


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("band", YOUNGER)
def test_the_youngest_get_nothing_by_it(starter: CompiledIndex, name: str, band: Band) -> None:
    """B-45: they see what an adult of the school has chosen."""
    engine = engine_of(starter, name)
    verdict = engine.decide(Request(canonical_url("https://emojipedia.org/")), client_of(band), AT)
    assert verdict.action is Action.BLOCK


@pytest.mark.parametrize("band", YOUNGER)
def test_a_list_that_calls_the_classroom_a_chat_does_not_close_it(tmp_path: Path, band: Band) -> None:
    """A real list does; the classroom service stands in our own `school-services`."""
    engine, url = engine_of(careless(tmp_path, "chat")), canonical_url("https://teams.microsoft.com/")
    assert engine.decide(Request(url), client_of(band), AT).action is Action.ALLOW


def test_no_entry_is_also_harmful_or_a_search_engine_or_above_one() -> None:
    """What our own lists call harmful stays so; words are judged on every search engine."""
    kinds = (Kind.STATUTORY, Kind.HARMFUL, Kind.CIRCUMVENTION)
    never = {*(category.name for category in TAXONOMY.of_kind(*kinds)), "search-engines", "unsafe-search"}
    listed = set(LISTED)
    found = [
        f"{category}: {entry}"
        for category in sorted(never)
        for entry in entries_of(category)
        if listed & set(host_suffixes(entry.partition("/")[0]))
        or any(entry.partition("/")[0] in host_suffixes(host) for host in listed)
    ]
    assert found == []


PLATFORMS = """google.com googleapis.com googleusercontent.com microsoft.com live.com office.net windows.net azure.com
cloudapp.azure.com azurewebsites.net sharepoint.com amazonaws.com cloudfront.net github.io githubusercontent.com
gitlab.io netlify.app vercel.app pages.dev workers.dev herokuapp.com blogspot.com wordpress.com wixsite.com weebly.com
akamaihd.net akamaized.net fastly.net myshopify.com msecnd.net icloud.com dropbox.com unity.com unrealengine.com
gamemaker.io huggingface.co bitbucket.org academia.edu""".split()  # noqa: SIM905


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_entry_opens_a_platform_that_holds_everybodys_pages(starter: CompiledIndex, platform: str) -> None:
    """One wrong line here would open the pages of strangers, whatever lists say of them."""
    found = starter.match(canonical_url(f"https://somebody.{platform}/"))
    assert OWN not in {match.category for match in found}


def test_every_entry_has_its_reason() -> None:
    """A line of comment above each: why it belongs to school, and which list names it."""
    lines = (STARTER / f"{OWN}.txt").read_text(encoding="utf-8").splitlines()
    for host in LISTED:
        above = lines[lines.index(host) - 1]
        assert above.startswith("# "), host
        assert above.endswith(").") and "(" in above, host
