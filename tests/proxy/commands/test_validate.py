"""`schoolgate validate`: every problem at once, nothing changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli import main

BAD = """schoolgate: 1
policies:
  - tier: trust
    rules:
      - {rule: a, what: [gams], action: block}
      - {rule: a, who: [ks22], action: blok}
"""


def validate(folder: Path, *words: str) -> int:
    """Run the command on an empty data folder."""
    return main(["--data", str(folder / "data"), "validate", *words])


def test_the_built_in_policy_is_good_and_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On a fresh clone it says so and leaves no trace."""
    assert validate(tmp_path) == 0
    assert "good" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_every_problem_is_told_with_line_and_advice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For people."""
    file = tmp_path / "policy.yaml"
    file.write_text(BAD, encoding="utf-8")
    assert validate(tmp_path, str(file)) == 1
    told = capsys.readouterr()
    assert told.out.splitlines() == [
        f"{file}:5: unknown category 'gams' (did you mean 'games'?)",
        f"{file}:6: unknown action 'blok' (did you mean 'block'?)",
        f"{file}:6: unknown band 'ks22' (did you mean 'ks2'?)",
        f"{file}:6: rule name 'a' is used twice; first in line 5 "
        "(every rule needs its own name: records and reports go by it)",
    ]
    assert "4 problems; what is in force stays in force" in told.err


def test_programs_get_the_same_as_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For machines."""
    file = tmp_path / "policy.yaml"
    file.write_text(BAD, encoding="utf-8")
    assert validate(tmp_path, str(file), "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["ok"], told["kind"], len(told["problems"])) == (False, "policy", 4)
    assert told["problems"][0]["line"] == 5


def test_a_rule_that_is_over_is_only_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It does no harm."""
    file = tmp_path / "policy.yaml"
    file.write_text(
        "schoolgate: 1\npolicies: [{tier: trust, rules: [{rule: old, action: allow, until: 2020-01-01}]}]\n",
        encoding="utf-8",
    )
    assert validate(tmp_path, str(file)) == 0
    assert "[warning]" in capsys.readouterr().out


def test_a_host_passed_unread_with_a_closed_page_is_only_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The school may mean it; it hears what it costs, as far as its lists know."""
    file, own, settings = tmp_path / "policy.yaml", tmp_path / "own.txt", tmp_path / "schoolgate.yaml"
    own.write_text("wiki.example/bad\n", encoding="utf-8")
    settings.write_text(
        f"data: {tmp_path / 'data'}\nlists: [{{name: own, category: games, format: urls, path: {own}}}]\n",
        encoding="utf-8",
    )
    file.write_text(
        "schoolgate: 1\npolicies: [{tier: trust, rules: [{rule: pass, what: ['host:wiki.example'], action: bypass}, "
        "{rule: games, what: [games], action: block}]}]\n",
        encoding="utf-8",
    )
    assert main(["--settings", str(settings), "validate", str(file)]) == 0
    told = capsys.readouterr().out
    assert "passes wiki.example unread, and with it its pages that lists name as games" in told
    assert "[warning]" in told


def test_a_settings_file_is_checked_as_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file is read as what it is."""
    file = tmp_path / "schoolgate.yaml"
    file.write_text("proxy: {prt: 8080}\nlists: []\n", encoding="utf-8")
    assert validate(tmp_path, str(file)) == 1
    assert "proxy.prt: unknown setting (did you mean 'port'?)" in capsys.readouterr().out
    file.write_text("proxy: {port: 8080}\n", encoding="utf-8")
    assert validate(tmp_path, str(file)) == 0


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_what_cannot_be_read_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    """Missing, or no text."""
    file = tmp_path / "policy.yaml"
    if content is not None:
        file.write_bytes(content)
    assert validate(tmp_path, str(file)) == 2
    assert str(file) in capsys.readouterr().err
