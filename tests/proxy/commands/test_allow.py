"""`schoolgate allow`: its words on the command line. What it does is in `tests/proxy/test_overridechanges.py`."""

from __future__ import annotations

import argparse

import pytest

from proxy.commands import allow


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    allow.add(parser.add_subparsers())
    return parser.parse_args(["allow", *words])


def test_it_allows() -> None:
    args = parsed("games.example", "--group", "year-4", "--for", "40m", "--reason", "club")
    assert (args.action, args.what, args.group, args.length, args.why) == (
        "allow", "games.example", "year-4", "40m", "club",
    )  # fmt: skip


@pytest.mark.parametrize("words", [("a.example",), ("a.example", "--reason", "x", "--band", "ks2", "--user", "y")])
def test_a_reason_is_needed_and_one_audience(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*words)
    assert ended.value.code == 2
