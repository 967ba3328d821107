"""Nine weeks of real changes of the UT1 lists, replayed date by date through `lists update`; each swap is checked."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import tarfile
from collections import defaultdict
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest

from categories.names import canonical_url
from categories.parse import Entry, parse
from categories.snapshot import open_snapshot
from proxy.assembly import lists_folder
from proxy.listupdate import update
from proxy.settings import Settings, load_settings
from proxy.sourcestore import read_state, registered
from tests.proxy.test_users import Technician

pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(900)]


class Change(NamedTuple):
    """One line that came or went."""

    date: str
    category: str
    file: str
    added: bool
    entry: str


@pytest.fixture
def changes(real_data: Path) -> list[Change]:
    (file,) = (real_data / "ut1").glob("changes-*.tsv.gz")
    with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
        rows = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
        next(rows)
        found = [Change(date, category, name, op == "+", entry) for date, category, name, op, entry in rows]
    return [one for one in found if one.file in {"domains", "urls"}]


@pytest.fixture
def tree(real_data: Path, tmp_path: Path) -> Path:
    """The tree as it is at the end."""
    with tarfile.open(next((real_data / "ut1").glob("blacklists-*.tar.xz"))) as archive:
        archive.extractall(tmp_path / "maker", filter="data")
    return next(path for path in (tmp_path / "maker").rglob("games") if path.is_dir()).parent


def apply(tree: Path, changes: list[Change], *, back: bool = False) -> None:
    """Change the list maker's files, forth or back."""
    files = defaultdict(list)
    for one in changes:
        files[one.category, one.file].append(one)
    for (category, name), some in files.items():
        file = tree / category / name
        lines = set(file.read_text("utf-8", "surrogateescape").splitlines()) if file.exists() else set()
        lines |= {one.entry for one in some if one.added is not back}
        lines -= {one.entry for one in some if one.added is back}
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in sorted(lines)), "utf-8", "surrogateescape")


def values(one: Change, raw: bytes) -> set[str]:
    """What lines of that file mean."""
    kind = "domains" if one.file == "domains" else "urls"
    return {item.value for item in parse(kind, BytesIO(raw), "x") if isinstance(item, Entry)}


def check(settings: Settings, day: list[Change], tree: Path) -> None:
    """Every line of the day is in force, or gone: unless another line of the file means the same."""
    index = open_snapshot(lists_folder(settings))
    now: dict[tuple[str, str], set[str]] = {}
    for one in day:
        key = (one.category, one.file)
        if key not in now:
            now[key] = values(one, (tree / one.category / one.file).read_bytes())
        for value in values(one, one.entry.encode("utf-8", "surrogateescape")):
            found = {
                match.entry for match in index.match(canonical_url(f"http://{value}")) if match.list.endswith(key[0])
            }
            assert (value in found) is (value in now[key]), one
            assert not one.added or value in found, one


def test_nine_weeks_of_real_changes(
    changes: list[Change],
    tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    technician = Technician(tmp_path, monkeypatch, capsys, command="lists")
    technician.settings.write_text(json.dumps({"data": "data", "starter_lists": False}))
    for aside in ("liste_bu", "examen_pix", "tricheur_pix"):
        shutil.rmtree(tree / aside, ignore_errors=True)
    changes = [one for one in changes if (tree / one.category).is_dir()]
    dates = sorted({one.date for one in changes})
    assert len(dates) >= 5
    for date in reversed(dates):
        apply(tree, [one for one in changes if one.date == date], back=True)
    assert technician.types("add", "ut1", str(tree), "--format", "ut1", "--reason", "replay") == 0, technician.told
    settings = load_settings(technician.settings)
    refused: dict[str, str] = {}
    for date in dates:
        day = [one for one in changes if one.date == date]
        apply(tree, day)
        report = update(settings, registered(settings), datetime.now(UTC))
        if not report.ok:
            refused[date] = report.outcomes[0].what
            report = update(settings, registered(settings), datetime.now(UTC), anyway=True)
        assert report.ok, (date, report.problem, report.outcomes)
        (outcome,) = report.outcomes
        assert outcome.changes is not None
        with capsys.disabled():
            seconds = 0.0 if report.compiled is None else report.compiled.seconds
            print(
                f"\n{date}: {len(day)} lines, {outcome.changes.added} entries came, {outcome.changes.removed} went, "
                f"{outcome.changes.after} in force, compiled in {seconds:.1f} s",
                end="",
            )
        assert 0 < outcome.changes.added + outcome.changes.removed <= len(day)
        check(settings, day, tree)
    # The list maker threw a third of one category out that day (0.0.0.0 before the name): a person has to say yes.
    assert list(refused) == ["2026-07-06"]
    assert "ut1/cryptojacking: would shrink from 15,494 to 10,747" in refused["2026-07-06"]
    assert read_state(settings, "ut1").failures == 1
