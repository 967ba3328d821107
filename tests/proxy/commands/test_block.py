"""`schoolgate block`: its words on the command line. What it does is in `tests/proxy/test_overridechanges.py`."""

from __future__ import annotations

import argparse

import pytest

from proxy.commands import block


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    block.add(parser.add_subparsers())
    return parser.parse_args(["block", *words])


def test_it_blocks() -> None:
    """With the same words as `allow`."""
    args = parsed("category:games", "--site", "oakwood", "--until", "11:05", "--reason", "noise")
    assert (args.action, args.what, args.site, args.until, args.why) == (
        "block", "category:games", "oakwood", "11:05", "noise",
    )  # fmt: skip


def test_two_ends_are_one_too_many() -> None:
    with pytest.raises(SystemExit):
        parsed("a.example", "--reason", "x", "--for", "1h", "--until", "11:05")
