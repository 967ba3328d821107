"""`schoolgate lists`: what is in force, compile, find, classify."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from proxy.assembly import lists_folder
from proxy.commands import lists
from proxy.settings import ListSettings, Settings

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A school with two lists of its own, one line of them wrong."""
    (tmp_path / "games.txt").write_text("games.example\nnot a domain\nroblox.test\n")
    (tmp_path / "video.txt").write_text("portal.example/videos\n")
    return Settings(
        data=tmp_path / "data",
        starter_lists=False,
        lists=(
            ListSettings(name="games", path=tmp_path / "games.txt"),
            ListSettings(name="video", path=tmp_path / "video.txt", format="urls"),
        ),
    )


def run(settings: Settings, *arguments: str) -> int:
    """One command, as typed."""
    parser = argparse.ArgumentParser()
    lists.add(parser.add_subparsers())
    args = parser.parse_args(["lists", *arguments])
    status: int = args.handle(args, settings)
    return status


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    """The JSON printed."""
    return json.loads(capsys.readouterr().out)


def test_update_tells_every_line_not_taken(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Compiled, with the problems: list, line, text, reason."""
    assert run(settings, "update") == 0
    out = capsys.readouterr().out
    assert "games:2: 'not a domain' has more than one word" in out
    assert "2 lists, 3 entries, 1 line told as problems" in out
    assert run(settings, "update", "--json") == 0
    report = answer(capsys)
    assert report["entries"] == 3
    assert [(problem["list"], problem["line"]) for problem in report["problems"]] == [("games", 2)]


def test_status_shows_every_list(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """And says no when there is nothing compiled, or when a list changed since."""
    assert run(settings, "status") == 1
    assert "lists update" in capsys.readouterr().err
    run(settings, "update")
    capsys.readouterr()
    assert run(settings, "status", "--json") == 0
    status = answer(capsys)
    assert {one["name"]: (one["category"], one["entries"], one["problems"]) for one in status["lists"]} == {
        "games": ("games", 2, 1),
        "video": ("video", 1, 0),
    }
    settings.lists[0].path.write_text("games.example\n")
    assert run(settings, "status") == 1
    captured = capsys.readouterr()
    assert "3 entries" in captured.out
    assert "changed since" in captured.err


def test_search_finds_what_fits_and_what_is_below(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Compiles first when need be; 0 when something is found, 1 when not, 2 when it is no host."""
    assert run(settings, "search", "www.games.example", "--json") == 0
    assert [entry["entry"] for entry in answer(capsys)["entries"]] == ["games.example"]
    assert run(settings, "search", "portal.example", "--json") == 0
    assert [entry["entry"] for entry in answer(capsys)["entries"]] == ["portal.example/videos"]
    assert run(settings, "search", "--partial", "oblo") == 0
    assert "roblox.test" in capsys.readouterr().out
    assert run(settings, "search", "school.example") == 1
    assert run(settings, "search", "no..host") == 2
    assert "empty label" in capsys.readouterr().err


def test_classify_arguments(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """For people by default, in JSON when asked; 1 when one of them is no URL."""
    assert run(settings, "classify", "http://games.example/x", "school.example") == 0
    out = capsys.readouterr().out
    assert "http://games.example/x: games\n    games: games.example (games line 1)" in out
    assert "school.example: in no list" in out
    assert run(settings, "classify", "no..host", "--json") == 1
    assert answer(capsys)["url"] == "no..host"


def test_a_damaged_snapshot_is_told(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """What, where, what to do; and `update` repairs it."""
    run(settings, "update")
    next(lists_folder(settings).glob("*/keys.trie")).write_bytes(b"rubbish")
    capsys.readouterr()
    assert run(settings, "status", "--json") == 1
    told = answer(capsys)
    assert told["ok"] is False
    assert "damaged" in told["problem"]
    assert "lists update" in told["do"]
    run(settings, "update")
    assert run(settings, "status") == 0


def test_a_list_that_is_not_there_is_told(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """The lists in force stay."""
    run(settings, "update")
    settings.lists[0].path.unlink()
    assert run(settings, "update") == 1
    assert "games.txt is not there" in capsys.readouterr().err
    assert run(settings, "status", "--json") == 1
    assert len(answer(capsys)["lists"]) == 2


def _classify_input(settings: Settings, raw: bytes) -> list[dict[str, Any]]:
    """What the real command answers to standard input."""
    file = settings.data / "schoolgate.yaml"
    file.parent.mkdir(exist_ok=True)
    told = [{"name": one.name, "path": str(one.path), "format": one.format} for one in settings.lists]
    file.write_text(json.dumps({"data": str(settings.data), "starter_lists": False, "lists": told}))
    command = [sys.executable, "-m", "proxy", "--settings", str(file), "lists", "classify", "-"]
    done = subprocess.run(command, input=raw, capture_output=True, cwd=REPOSITORY, check=True, env=os.environ)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_classify_reads_lines_and_answers_lines(settings: Settings) -> None:
    """One line in, one line out, in order, whatever the line is."""
    raw = b"http://games.example/\r\n\nhttp://\n\xff\xfe.example\nportal.example/videos/1\nschool.example"
    answers = _classify_input(settings, raw)
    assert [one.get("categories") for one in answers] == [["games"], None, None, None, ["video"], []]
    assert all("error" in one for one in answers[1:4])
    assert answers[0] == {
        "url": "http://games.example/",
        "host": "games.example",
        "categories": ["games"],
        "matches": [{"category": "games", "list": "games", "entry": "games.example", "line": 1, "kind": "domain"}],
    }


def test_classify_answers_100_000_lines_in_seconds(settings: Settings) -> None:
    """Thousands can be checked in one go: well under a second per 10,000 on a busy machine."""
    raw = b"".join(b"https://h%d.games.example/page/%d?x=%d\n" % (n % 5000, n, n) for n in range(100_000))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    answers = _classify_input(settings, raw)
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 20  # of its own: a busy machine is slower
    assert len(answers) == 100_000
    assert all(one["categories"] == ["games"] for one in answers)


OWN = [
    ("add", "own.example", "https://own.example/", True),
    ("add", "own.example", "https://deep.own.example/a", True),
    ("add", "own.example/play", "https://own.example/play/7", True),
    ("add", "own.example/play", "https://own.example/other", False),
    ("remove", "own.example", "https://own.example/", False),
]


@pytest.mark.parametrize(("last", "entry", "asked", "listed"), OWN)
def test_own_entries_are_known_to_search_classify_status_and_explain_alike(
    settings: Settings, capsys: pytest.CaptureFixture[str], last: str, entry: str, asked: str, listed: bool
) -> None:
    """Whoever asks which line blocks a page gets the line `explain` tells."""
    from proxy.commands import explain

    for do in ("add", "remove")[: 1 if last == "add" else 2]:
        assert run(settings, "entry", do, "always-blocked", entry, "--reason", "for the test") == 0
    capsys.readouterr()
    assert run(settings, "search", asked, "--json") == (0 if listed else 1)
    found = [(one["list"], one["entry"]) for one in answer(capsys)["entries"]]
    assert found == ([("own/always-blocked", entry)] if listed else [])
    assert run(settings, "classify", asked, "--json") == 0
    assert answer(capsys)["categories"] == (["always-blocked"] if listed else [])
    run(settings, "status", "--json")
    counted = {one["name"]: one["entries"] for one in answer(capsys)["lists"]}
    assert counted.get("own/always-blocked", 0) == (last == "add")
    assert run(settings, "search", "own.exam", "--partial") == (0 if last == "add" else 1)
    capsys.readouterr()
    parser = argparse.ArgumentParser()
    explain.add(parser.add_subparsers())
    args = parser.parse_args(["explain", asked, "--json"])
    args.handle(args, settings)
    assert ("own/always-blocked" in {one["list"] for one in answer(capsys)["matches"]}) is listed


def test_a_search_for_a_host_shows_own_entries_of_its_pages_and_of_hosts_below(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    for entry in ("own.example/play", "deep.own.example", "notown.example"):
        assert run(settings, "entry", "add", "always-blocked", entry, "--reason", "for the test") == 0
    capsys.readouterr()
    assert run(settings, "search", "own.example", "--json") == 0
    assert {one["entry"] for one in answer(capsys)["entries"]} == {"own.example/play", "deep.own.example"}
