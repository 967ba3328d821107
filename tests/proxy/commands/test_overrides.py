"""`schoolgate overrides`: its words on the command line. What it does is in `tests/proxy/test_overridechanges.py`."""

from __future__ import annotations

import argparse

import pytest

from proxy.commands import overrides


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    overrides.add(parser.add_subparsers())
    return parser.parse_args(["overrides", *words])


def test_list_and_end() -> None:
    assert (parsed("list", "--all").task, parsed("list").all) == ("list", False)
    assert (parsed("end", "override-3", "--reason", "over").id, parsed("end", "3").why) == ("override-3", "")


def test_a_task_is_needed() -> None:
    with pytest.raises(SystemExit):
        parsed()
