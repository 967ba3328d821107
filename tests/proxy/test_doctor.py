"""Doctor looks and says; it changes nothing, and shows no green for what it could not see."""

from __future__ import annotations

import json
import socket
import sys
import sysconfig
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from logstore.ids import wall_clock_us
from logstore.store import Store
from policy import engine
from proxy import assembly
from proxy.ca import create_ca
from proxy.cli import main
from proxy.control import socket_path
from proxy.doctor import Finding, _record, examine, optimised
from proxy.settings import ListSettings, Settings
from tests.logstore.rows import ended, ids_from, request


def said(settings: Settings) -> dict[str, Finding]:
    """What was found, by what was looked at."""
    return {finding.what: finding for finding in examine(settings)}


def level(settings: Settings, what: str) -> str:
    return said(settings)[what].level


def test_on_a_fresh_clone_it_says_what_is_missing_and_leaves_no_trace(tmp_path: Path) -> None:
    """No data folder: notes, not alarms; and still none afterwards."""
    found = said(Settings(data=tmp_path / "data"))
    assert {what for what, finding in found.items() if finding.level == "bad"} == {"statutory lists"}
    assert (found["lists"].found, found["gateway"].level) == ("not compiled yet", "note")
    assert found["policy"].level == "good"
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_stays_empty(tmp_path: Path) -> None:
    """It compiles nothing, makes no authority, leaves no probe."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    said(Settings(data=data))
    assert list(data.iterdir()) == []


def test_it_says_whether_the_decision_is_compiled(tmp_path: Path) -> None:
    """An interpreted one answers the same, and is a note rather than a fault."""
    finding = said(Settings(data=tmp_path))["decision"]
    compiled = Path(engine.__file__).suffix == ".so"
    assert (finding.level, finding.found) == (("good", "compiled") if compiled else ("note", "interpreted"))


@pytest.mark.parametrize(
    ("asked", "prefix", "fast"),
    [
        ("'--prefix=/usr' '--with-computed-gotos'", "/usr", True),  # Debian 13's own
        ("'--enable-optimizations' '--with-lto'", "/opt/python", True),
        ("'--prefix=/home/ict/.pyenv/versions/3.13.0'", "/home/ict/.pyenv/versions/3.13.0", False),
        ("", "/usr/local", False),
    ],
)
def test_it_says_when_python_was_built_slow(asked: str, prefix: str, fast: bool) -> None:
    """A third of a request's time is worth a line."""
    assert optimised(asked, prefix) is fast


def test_a_slow_python_is_a_note_with_what_would_be_better(tmp_path: Path) -> None:
    """It filters all the same."""
    finding = said(Settings(data=tmp_path))["python"]
    fast = optimised(sysconfig.get_config_var("CONFIG_ARGS") or "", sys.base_prefix)
    assert finding.level == ("good" if fast else "note")
    assert ("--enable-optimizations" in finding.advice) is not fast


@pytest.mark.parametrize(("mode", "found"), [(0o700, "good"), (0o750, "bad"), (0o705, "bad"), (0o777, "bad")])
def test_a_folder_that_others_may_read_is_bad(tmp_path: Path, mode: int, found: str) -> None:
    """With the command that mends it."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(mode)
    finding = said(Settings(data=data))["data folder"]
    assert finding.level == found
    assert found == "good" or finding.advice == f"chmod 700 {data}"


@pytest.mark.parametrize(
    ("made", "found"),
    [(timedelta(days=0), "good"), (timedelta(days=365 * 5 - 10), "bad"), (timedelta(days=365 * 5 + 10), "bad")],
    ids=["fresh", "ends soon", "ended"],
)
def test_an_authority_at_its_end_is_bad(tmp_path: Path, made: timedelta, found: str) -> None:
    """Before every device stops trusting the school's internet."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    create_ca(data / "ca", name="Test", at=datetime.now(UTC) - made)
    assert level(Settings(data=data), "certificate authority") == found


def test_an_authority_whose_key_others_may_read_is_bad(tmp_path: Path) -> None:
    """Whoever has the key can be any website."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    create_ca(data / "ca", name="Test", at=datetime.now(UTC))
    (data / "ca" / "ca.pem").chmod(0o644)
    finding = said(Settings(data=data))["certificate authority"]
    assert finding.level == "bad"
    assert "chmod" in finding.found


@pytest.mark.parametrize(
    ("policy", "found"), [("schoolgate: 1\npolicies: []\n", None), ("nonsense: [", "bad"), ("policies: 1\n", "bad")]
)
def test_a_policy_that_would_not_be_taken_is_bad(tmp_path: Path, policy: str, found: str | None) -> None:
    """Found before the next start finds it."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "policy.yaml").write_text(policy)
    finding = said(Settings(data=data))["policy"]
    assert found is None or finding.level == found


def test_a_list_that_changed_since_is_said(tmp_path: Path) -> None:
    """It is not in force, and doctor does not put it in force."""
    file = tmp_path / "ours.txt"
    file.write_text("example.org\n")
    ours = ListSettings(name="ours", path=file, category="games")
    settings = Settings(data=tmp_path / "data", starter_lists=False, lists=(ours,))
    assembly.compile_lists(settings)
    before = sorted(path.name for path in (settings.data / "lists").rglob("*"))
    assert level(settings, "lists") == "good"
    file.write_text("example.org\nexample.net\n")
    finding = said(settings)["lists"]
    assert (finding.level, finding.advice) == ("note", "`schoolgate reload` takes it")
    assert sorted(path.name for path in (settings.data / "lists").rglob("*")) == before


def test_damaged_lists_are_bad(tmp_path: Path) -> None:
    """Never believed."""
    settings = Settings(data=tmp_path / "data")
    assembly.compile_lists(settings)
    for file in (settings.data / "lists").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[:-100])
    assert level(settings, "lists") == "bad"


def test_a_gateway_that_does_not_answer_is_bad(tmp_path: Path) -> None:
    """Its socket lies there and nobody listens: it was killed."""
    data = tmp_path / "data"
    (data / "run").mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(socket_path(data)))
    assert level(Settings(data=data), "gateway") == "bad"


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({}, "bad"),  # it never said anything
        ({"written_at": 1000.0 - 60, "oldest_seconds": 0}, "bad"),  # it said so a minute ago
        ({"written_at": 999.0, "oldest_seconds": 0}, "good"),
        ({"written_at": 999.0, "oldest_seconds": 61}, "bad"),
    ],
)
def test_a_shipper_that_says_nothing_is_not_green(facts: dict[str, float], found: str) -> None:
    """Rows that wait unseen are the worst kind."""
    assert _record(facts, 1000.0).level == found


@pytest.mark.parametrize("name", ["SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE"])
def test_a_key_log_is_bad(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It would let anybody read everything."""
    monkeypatch.setenv(name, str(tmp_path / "keys"))
    assert level(Settings(data=tmp_path / "data"), "environment") == "bad"


def test_a_look_that_fails_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the others go on."""

    def broken(_: Settings) -> list[Finding]:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("proxy.doctor.LOOKS", (broken, *__import__("proxy.doctor").doctor.LOOKS))
    found = said(Settings(data=tmp_path / "data"))
    assert (found["broken"].level, "policy" in found) == ("bad", True)


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_the_command_says_it_and_its_exit_tells_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """1 while anything needs attention."""
    began = time.monotonic()
    assert main(["--data", str(tmp_path / "data"), "doctor", *words]) == 1
    told = capsys.readouterr()
    assert "need attention" in told.err
    if words:
        found = json.loads(told.out)
        assert {"what", "level", "found", "advice"} == set(found[0])
    else:
        assert "BAD  statutory lists" in told.out
    assert time.monotonic() - began < 20


def test_retention_that_is_behind_is_bad(tmp_path: Path) -> None:
    """And says nothing where there is no store, green only when nothing older is left."""
    assert "retention" not in said(Settings(data=tmp_path))
    with Store(tmp_path / "store") as store:
        for ago in (200, 0):
            store.append([(request(ids_from(wall_clock_us() - ago * 86_400_000_000).next()), ended())])
    found = said(Settings(data=tmp_path))["retention"]
    assert (found.level, found.advice) == ("bad", "`schoolgate db prune`")
    assert "1 day(s) too old remain" in found.found
    assert main(["--data", str(tmp_path), "db", "prune"]) == 0
    assert level(Settings(data=tmp_path), "retention") == "good"


def test_a_clock_that_cannot_be_right_is_bad(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        store.append([(request(ids_from(wall_clock_us() - 200 * 86_400_000_000).next()), ended())])
    found = said(Settings(data=tmp_path))["retention"]
    assert found.level == "bad"
    assert "--clock-is-right" in found.found


@pytest.mark.parametrize(("every", "found"), [(5, "note"), (50, "good")])
def test_a_rule_that_passes_much_unread_is_said(tmp_path: Path, every: int, found: str) -> None:
    """A page that is read is many requests and a tunnel is one: a fifth of all is a rule that passes too much."""
    ids = ids_from(wall_clock_us() - 86_400_000_000, 1000)
    unread = {"action": "bypass", "rule": "too-much", "path": None}
    rows = [(request(ids.next(), **({} if n % every else unread)), ended(bytes_up=0)) for n in range(2000)]
    with Store(tmp_path / "store") as store:
        store.append(rows[:500])
    assert "passed unread" not in said(Settings(data=tmp_path)), "too few to say"
    with Store(tmp_path / "store") as store:
        store.append(rows[500:])
    finding = said(Settings(data=tmp_path))["passed unread"]
    assert finding.level == found
    assert f"{1 / every:.1%} of requests" in finding.found
