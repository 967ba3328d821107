"""What a run of retention said is read as it was said; one that was cut short says nothing."""

from __future__ import annotations

import json
from pathlib import Path

from logstore.db import open_catalog, upgrade
from logstore.retentionruns import runs
from logstore.schema import retention_run

REPORT = {
    "rows": 12,
    "days": [{"day": "2026-05-01"}],
    "elsewhere": [{"place": "exports", "removed": 3, "stayed": [{"what": "a.csv", "why": "is open", "wrong": True}]}],
    "stayed": [{"what": "b.db", "why": "locked", "wrong": True}, {"what": "hold", "why": "a hold", "wrong": False}],
}


def test_newest_first_with_what_went_and_what_is_left(tmp_path: Path) -> None:
    upgrade(tmp_path)
    engine = open_catalog(tmp_path)
    base = {"cutoff_us": 0, "kept_from": "2026-05-02", "months": 6, "timezone": "UTC"}
    with engine.begin() as connection:
        connection.execute(
            retention_run.insert().values(started_us=1, finished_us=2, report=json.dumps(REPORT), **base)
        )
        connection.execute(retention_run.insert().values(started_us=3, **base))
        newest, oldest = runs(connection)
        assert runs(connection, limit=1) == (newest,)
        assert runs(connection, before=newest.id) == (oldest,)
    engine.dispose()
    assert (newest.finished, newest.rows, newest.days, newest.left) == (False, 0, 0, ())
    assert (oldest.finished, oldest.rows, oldest.days, dict(oldest.elsewhere)) == (True, 12, 1, {"exports": 3})
    assert oldest.left == ("b.db: locked", "a.csv: is open")
