"""A gateway whose rows belong in ClickHouse: nothing is lost while it is away, and all is found once it is there.

There is no ClickHouse server to be had here. So the gateway runs while its server cannot be reached, and what it has
recorded is then shipped into ClickHouse's own engine and searched by commands, one process after the other. Names and
books are in a PostgreSQL server all the time.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logstore.place import Database
from tests.rig import clickhouse
from tests.rig.clients import Browser
from tests.rig.gateway import YEAR_4, Gateway
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
NOBODY = "clickhouse://schoolgate@127.0.0.1:9/schoolgate"
"""An address where no server is."""
SECONDS = 240.0
"""Longest time of a command: it starts the engine, on a busy machine."""


def said(gateway: Gateway, *words: str, status: int = 0) -> list[Any]:
    """A command's answer, a value a line."""
    done = gateway.command(*words, "--json", seconds=SECONDS)
    assert done.returncode == status, done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_lessons_go_on_without_it_and_every_row_is_there_once_it_is_back(
    make_gateway: Callable[..., Gateway], database: Database, tmp_path: Path, name: str
) -> None:
    school = make_gateway({"record": {"store": database.address, "rows": NOBODY}}).start(seconds=180)
    assert school.command("block", f"closed.{name}", "--reason", "for the lesson", seconds=SECONDS).returncode == 0
    asked = [f"https://{name}/page-{number}" for number in range(12)]
    with Browser(school, source=YEAR_4) as pupil:
        assert {pupil.fetch(url).status for url in asked} == {200}
    with Browser(school, source=YEAR_4) as pupil:
        wait_for(lambda: pupil.fetch(f"https://closed.{name}/").status == 403, "the block to be in force", seconds=60)

    def complains() -> bool:
        return any("shipper" in one["what"] or one["what"] == "rows" for one in _bad(school))

    wait_for(complains, "the doctor to say that rows wait", seconds=60)
    assert school.command("log", "search", seconds=SECONDS).returncode == 1
    assert school.stop() == 0

    engine = tmp_path / "engine"
    clickhouse.make_database_apart(engine, "school")
    school.write_settings({"record": {"store": database.address, "rows": clickhouse.address(engine, "school")}})
    for _ in range(2):  # the second time there is nothing left
        done = school.command("shipper", "--once", seconds=SECONDS)
        assert done.returncode == 0, done.stderr
    found = said(school, "log", "search", "--host", name, "--all")
    assert sorted(row["url"] for row in found) == sorted(asked)
    assert len({row["id"] for row in found}) == len(asked)
    blocked = said(school, "log", "search", "--host", f"closed.{name}", "--blocked")
    assert blocked
    (told,) = said(school, "log", "stats", "--host", name)
    assert told["totals"]["rows"] == len(asked)
    assert said(school, "log", "search", "--text", "page-7")[0]["url"] == asked[7]
    assert said(school, "db", "verify")[0]["ok"]
    assert said(school, "db", "prune", "--dry-run")[0]["days"] == []
    refused = school.command("run", seconds=SECONDS)
    assert (refused.returncode, "one process at a time" in refused.stderr) == (1, True)


def _bad(school: Gateway) -> list[dict[str, Any]]:
    done = school.command("doctor", "--json", seconds=SECONDS)
    return [one for one in json.loads(done.stdout) if one["level"] == "bad"]
