"""A gateway whose record is in PostgreSQL: everything works there, and lessons go on while it is away.

Shows: `proxy.partitionjob`, `registry.watch`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from logstore.db import open_catalog, upgrade
from logstore.place import Database
from logstore.postgres.roles import put_in_force
from policy.ruletext import added
from proxy.consoledoors import GatewayDoors
from proxy.settings import load_settings
from registry import policies
from registry.change import By
from tests.rig.clients import Browser
from tests.rig.gateway import TEACHER, YEAR_4, Gateway
from tests.rig.postgres import Postgres
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
BLOCKED_GAMES = "https://games.example/play"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One of these tests' own, because it is stopped and started."""
    made = Postgres()
    try:
        yield made.start()
    finally:
        made.remove()


@pytest.fixture
def record(server: Postgres) -> Iterator[Database]:
    """An empty database: the gateway makes the record."""
    made = server.database()
    yield made
    server.drop(made)


@pytest.fixture
def school(record: Database, make_gateway: Callable[..., Gateway]) -> Gateway:
    """A gateway that records there."""
    return make_gateway({"record": {"store": record.address}}).start(seconds=180)


def said(gateway: Gateway, *words: str, status: int = 0) -> Any:
    """A command's answer in JSON."""
    done = gateway.command(*words, "--json")
    assert done.returncode == status, done.stderr + done.stdout
    return json.loads(done.stdout)


def lines(gateway: Gateway, *words: str) -> list[dict[str, Any]]:
    """A command's answer in JSON Lines."""
    done = gateway.command(*words, "--json")
    assert done.returncode in (0, 1), done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_pupil_is_blocked_recorded_found_and_allowed(school: Gateway, name: str) -> None:
    """The way of one request through everything that asks the record."""
    url = f"https://{name}/page"
    said(school, "block", name, "--reason", "a fight is being streamed there")
    with Browser(school, source=YEAR_4) as pupil:
        answer = pupil.fetch(url)
    assert answer.status == 403
    school.wait_for_rows(1, host=name, blocked=True)
    assert not (school.data / "store").exists()
    found = lines(school, "log", "search", "--host", name, "--fresh")
    assert [(row["host"], row["blocked"]) for row in found] == [(name, True)]
    shown = said(school, "log", "show", found[0]["id"])
    assert shown["url"].startswith(f"https://{name}")
    assert said(school, "log", "stats", "--host", name)["totals"]["blocked"] == 1
    assert said(school, "log", "series", "--host", name)["series"][-1]["rows"] == 1
    assert lines(school, "log", "timeline", found[0]["id"], "--device", "oak-y4-laptop-10")
    assert said(school, "log", "facets", "host", name[:10])
    assert lines(school, "log", "search", "--text", "page", "--host", name)
    assert lines(school, "log", "tail", "--host", name)
    assert said(school, "log", "spool")["ok"]
    told = said(school, "overrides", "list")
    said(school, "overrides", "end", str(told[0]["id"]), "--reason", "over")
    said(school, "allow", name, "--reason", "for the lesson")
    with Browser(school, source=YEAR_4) as pupil:
        assert pupil.fetch(url).status == 200
    assert said(school, "db", "verify")["ok"]
    assert said(school, "db", "check")["ok"]
    assert said(school, "db", "prune", "--why", "tried")["ok"]
    assert "looked at rows" in {line["what"] for line in lines(school, "db", "audit", "--kind", "look")}
    assert school.stop() == 0


def test_people_and_lists_are_kept_there(school: Gateway, name: str) -> None:
    said(school, "users", "add", "teacher-1", "--title", "Ms One", "--band", "staff", "--no-password")
    said(school, "devices", "put", "10.9.8.0/24", "--site", "oakwood", "--band", "ks3")
    said(school, "lists", "entry", "add", "games", name, "--reason", "it is one")
    said(school, "requests", "add", f"https://{name}/", "--reason", "for the club")
    assert "teacher-1" in school.command("users", "list").stdout
    assert "10.9.8.0/24" in school.command("devices", "list").stdout
    assert name in school.command("requests", "list").stdout
    assert said(school, "requests", "decide", "1", "--no-change", "--reason", "not now")
    done = school.command("doctor", "--json")
    database = [one for one in json.loads(done.stdout) if one["what"] == "database"]
    assert [one["level"] for one in database] == ["good"]


def test_lessons_go_on_while_it_is_away(school: Gateway, server: Postgres, name: str) -> None:
    """Nothing waits for it: pages come, blocks hold, rows collect on disk and are all there after."""
    said(school, "block", f"closed.{name}", "--reason", "before the database went")
    server.stop()
    try:
        _without_it(school, name)
        school.kill_one("worker")
    finally:
        server.start()
    rows = school.wait_for_rows(20, host=name, seconds=60)
    assert len({row["path"] for row in rows}) == 20
    wait_for(lambda: said(school, "allow", name, "--reason", "it is back"), "decisions to be possible again")


def _without_it(school: Gateway, name: str) -> None:
    """What a lesson sees, and whoever types a command meanwhile."""
    with Browser(school, source=TEACHER) as teacher:
        began = time.monotonic()
        assert [teacher.fetch(f"https://{name}/{number}").status for number in range(20)] == [200] * 20
        assert teacher.fetch(f"https://closed.{name}/").status == 403
        assert time.monotonic() - began < 20
    done = school.command("allow", name, "--reason", "cannot be decided now", "--json")
    assert done.returncode == 1
    assert "cannot be used" in json.loads(done.stdout)["problems"][0]
    for words in (["allow", name, "--reason", "x"], ["log", "search", "--host", name], ["log", "spool"], ["doctor"]):
        done = school.command(*words)
        assert done.returncode == 1, words
        assert "Traceback" not in done.stderr, done.stderr


def test_a_gateway_starts_while_it_is_away(school: Gateway, server: Postgres, name: str) -> None:
    """With the decisions it had; where there are none on disk yet, it says why it does not start."""
    said(school, "block", name, "--reason", "decided before")
    assert school.stop() == 0
    server.stop()
    try:
        school.start(seconds=180)
        with Browser(school, source=TEACHER) as teacher:
            assert teacher.fetch(f"https://{name}/").status == 403
    finally:
        server.start()
    school.wait_for_rows(1, host=name, seconds=60)


def test_two_gateways_share_it(
    school: Gateway, record: Database, make_gateway: Callable[..., Gateway], name: str
) -> None:
    """A decision typed at one is in force at the other within a second; both find all rows."""
    told = {"record": {"store": record.address}, "gateway": {"number": 1, "name": "hillview-2"}}
    other = make_gateway(told).start(seconds=180)
    url = f"https://{name}/page"
    with Browser(other, source=TEACHER) as teacher:
        assert teacher.fetch(url).status == 200
        said(school, "block", name, "--reason", "decided at the first")
        began = time.monotonic()
        wait_for(lambda: teacher.fetch(url).status == 403, "the other gateway to know", seconds=10)
        assert time.monotonic() - began < 3, "a second is wanted; this machine may be busy"
    school.wait_for_rows(1, host=name, blocked=False)
    assert {row["worker"].split("-w")[0] for row in school.rows(host=name)} != set()
    assert other.stop() == 0


def test_a_policy_published_at_one_gateway_is_in_force_at_the_other(
    record: Database, make_gateway: Callable[..., Gateway], name: str
) -> None:
    """Each writes it into its own file."""
    told: dict[str, Any] = {"record": {"store": record.address}}
    told |= {"identity": {"places": [{"network": "127.0.2.0/24", "site": "oakwood", "band": "staff"}]}}
    one = make_gateway(told, policy=None).start(seconds=180)
    other = make_gateway({**told, "gateway": {"number": 1, "name": "hillview-2"}}, policy=None).start(seconds=180)
    doors = GatewayDoors(load_settings(one.file).model_copy(update={"data": one.data}))
    now, by = doors.policy_text(), By("console:dana", datetime.now(UTC), "tried")
    engine = open_catalog(record)
    with engine.begin() as connection:
        text = added(now.text, 0, {"rule": "closed-here", "what": [f"host:{name}"], "action": "block"})
        made = policies.start(connection, text, by, title="tried", base=now.digest)
    engine.dispose()
    with Browser(other, source=TEACHER) as teacher:
        assert teacher.fetch(f"https://{name}/page").status == 200
        said = doors.publish_policy(made.id, by, seen=made.digest, against=now.digest)
        assert said == "In force on all 1 workers."
        wait_for(lambda: teacher.fetch(f"https://{name}/page").status == 403, "the other to take it", seconds=30)
    assert (other.data / "policy.yaml").read_text(encoding="utf-8") == text
    assert (one.stop(), other.stop()) == (0, 0)


def test_a_gateway_works_with_the_rights_it_needs(
    server: Postgres, record: Database, make_gateway: Callable[..., Gateway], name: str
) -> None:
    """The owner makes tables and roles; the gateway's account may store, retain and decide, and owns nothing."""
    upgrade(record)
    database = str(record.url.database)
    put_in_force(record, f"e2e_{database}")
    account = f"gateway_{database}"
    with server.connect(database) as connection:
        roles = ", ".join(f"e2e_{database}_{role}" for role in ("writer", "retention", "decider", "console"))
        connection.execute(f"CREATE ROLE {account} LOGIN IN ROLE {roles}")  # type: ignore[arg-type]
    school = make_gateway({"record": {"store": server.address(database, account).address}}).start(seconds=180)
    said(school, "block", name, "--reason", "a fight is being streamed there")
    with Browser(school, source=YEAR_4) as pupil:
        assert pupil.fetch(f"https://{name}/page").status == 403
    school.wait_for_rows(1, host=name, blocked=True)
    assert lines(school, "log", "search", "--host", name, "--fresh")
    engine = open_catalog(server.address(database, account))
    with engine.begin() as connection:
        policies.start(connection, "schoolgate: 1\n", By("console:dana", datetime.now(UTC)), title="tried", base="")
    engine.dispose()
    assert said(school, "hold", "place", "CASE-1", "--host", name, "--why", "an incident")["rows"] == 1
    assert said(school, "db", "prune", "--why", "tried")["ok"]
    assert said(school, "db", "verify")["ok"]
    assert said(school, "db", "check")["ok"]
    assert school.stop() == 0
    assert "permission denied" not in school.output
    assert "Traceback" not in school.output
    with server.connect(database) as connection:
        owned = "SELECT count(*) FROM pg_class WHERE relowner = %s::regrole"
        assert connection.execute(owned, (account,)).fetchone() == (0,)
        connection.execute(f"DROP OWNED BY {account}")  # type: ignore[arg-type]
