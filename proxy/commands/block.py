"""`schoolgate block`: close a host, URL or category with one click, for some or for all, with a reason (L-15)."""

from __future__ import annotations

import argparse
from typing import Any

from proxy.commands import allow
from proxy.settings import Settings


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser("block", help="close a host, URL or category, for whom and how long you say")
    allow.arguments(parser, "block")


def handle(args: argparse.Namespace, settings: Settings) -> int:
    """0 made and in force, 1 refused (another rule decides all the same), 2 usage."""
    return allow.handle(args, settings)
