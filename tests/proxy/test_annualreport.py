"""`schoolgate log annual`: the numbers a head puts into the annual report."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from logstore.annual import count_closed
from proxy.annualreport import school_year
from proxy.cli import main
from tests.logstore.test_annual import record


@pytest.mark.parametrize(
    ("text", "now", "year"),
    [
        ("2025/26", "2026-11-21", 2025),
        ("2025/2026", "2026-11-21", 2025),
        ("2025", "2026-11-21", 2025),
        ("1999/00", "2026-11-21", 1999),
        (None, "2026-08-31", 2025),
        (None, "2026-09-01", 2026),
    ],
)
def test_school_years(text: str | None, now: str, year: int) -> None:
    assert school_year(text, datetime.fromisoformat(now)) == year


@pytest.mark.parametrize("text", ["25/26", "2025/27", "this", ""])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no school year"):
        school_year(text, datetime(2026, 11, 21))


def test_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(3):
        record(tmp_path / "store", date(2026, 8, 30) + timedelta(days=n), rare=1)
    count_closed(tmp_path / "store", datetime(2026, 9, 5, tzinfo=UTC))

    def types(*words: str) -> str:
        status = main(["--data", str(tmp_path), "log", "annual", *words])
        said = capsys.readouterr()
        assert status == 0, said.err
        return said.out

    lines = types("--year", "2025/26").splitlines()
    assert lines[1].split() == ["games", "24", "24"]
    assert lines[2].split() == ["(few)", "2", "0"]
    assert lines[-1].split() == ["in", "all", "26", "24"]
    assert types("--year", "2026/27", "--by", "month", "--by", "action").splitlines()[1].split()[:2] == [
        "2026-09",
        "block",
    ]
    told = json.loads(types("--year", "2025/26", "--json"))
    assert (told["year"], told["counted_to"], told["cells"][0]["month"]) == ("2025/26", "2026-09-01", "2026-08")
    rows = list(csv.DictReader(io.StringIO(types("--year", "2025/26", "--csv"))))
    assert sum(int(row["rows"]) for row in rows) == 26
    assert main(["--data", str(tmp_path), "log", "annual", "--year", "2020/21"]) == 1
    assert main(["--data", str(tmp_path), "log", "annual", "--year", "soon"]) == 2
