"""docs/presets.md promises who may have what and when; the engine must say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from categories.names import canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import starter_sources
from categories.taxonomy import load_taxonomy
from policy.client import Client
from policy.engine import Engine
from policy.model import Action, Request
from policy.rules import load_policy
from tests.scenarios.reading import read_person, read_time

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "presets.md"
PRESET = ROOT / "policy" / "presets" / "trust.yaml"
COLUMNS = {
    "EYFS, KS1": "Year 1 pupil",
    "KS2": "Year 4 pupil",
    "KS3": "Year 8 pupil",
    "KS4": "Year 10 pupil",
    "KS5": "Year 12 pupil",
    "teaching": "Teacher",
    "support": "Teaching assistant",
    "guest": "Visitor",
}
"""Columns of the page's table, and who is asked for each."""
TIMES = {
    "lessons": "Tue 24 Nov 2026 11:00",
    "lunch": "Tue 24 Nov 2026 12:30",
    "evening": "Tue 24 Nov 2026 19:00",
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    taxonomy, folder = load_taxonomy(), tmp_path_factory.mktemp("lists")
    build_snapshot(starter_sources(), folder, taxonomy)
    return Engine(open_snapshot(folder), load_policy(PRESET.read_text("utf-8"), file=PRESET.name, categories=taxonomy))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = next(n for n, line in enumerate(lines) if cells(line)[1:] == list(COLUMNS))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(cells(line))
    return rows


def in_words(engine: Engine, category: str, who: str) -> str:
    """`yes`, `no`, `warn`, or when it is open: `lunch, evening`; with `warn in` for the times of a warning."""
    user, groups, band, _ = read_person(who)
    assert band is not None
    client = Client(user=user, groups=groups, band=band, band_known=True)
    request = Request(canonical_url(f"https://{category}.schoolgate.test/"))
    at = {name: engine.decide(request, client, read_time(when)).action for name, when in TIMES.items()}
    said = {Action.ALLOW: "yes", Action.WARN: "warn", Action.BLOCK: "no"}
    if len(set(at.values())) == 1:
        return said[at["lessons"]]
    open_at = ", ".join(name for name, action in at.items() if action is Action.ALLOW)
    warned = ", ".join(name for name, action in at.items() if action is Action.WARN)
    return open_at + (f"; warn in {warned}" if warned else "")


@pytest.mark.parametrize("row", table(), ids=lambda row: row[0])
def test_the_table_says_what_the_engine_does(engine: Engine, row: list[str]) -> None:
    """Each row names categories that are treated alike; every one of them is asked for, for everybody, three times."""
    for category in row[0].replace("`", "").split(", "):
        said = [in_words(engine, category, who) for who in COLUMNS.values()]
        assert dict(zip(COLUMNS, said, strict=True)) == dict(zip(COLUMNS, row[1:], strict=True)), category


def test_the_table_leaves_no_category_out() -> None:
    """A governor who reads the page has seen everything the preset decides."""
    named = {name for row in table() for name in row[0].replace("`", "").split(", ")}
    assert set(load_taxonomy()) - named == set()
