"""The command line: `schoolgate COMMAND …`.

People first, `--json` everywhere; results on stdout, talk on stderr; exit 0 yes, 1 no, 2 usage. Settings are found,
checked and handed to the command as a value; every problem is told at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from proxy import faults
from proxy.commands import COMMANDS
from proxy.settings import SettingsError, find_settings, load_settings

DESCRIPTION = "The internet gateway of a school: who is asking, what may they see, what happened."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns the exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    args = make_parser(named(words)).parse_args(words)
    faults.install(debug=args.debug)
    logging.getLogger("mitmproxy").setLevel(logging.DEBUG if args.debug else logging.ERROR)
    args.settings_file = find_settings(args.settings)
    try:
        settings = load_settings(args.settings_file)
    except SettingsError as error:
        if tell := getattr(args, "tell_settings", None):
            return int(tell(args, error))
        print(error, file=sys.stderr)
        return 2
    if args.data is not None:
        settings = settings.model_copy(update={"data": args.data.resolve()})
    try:
        status: int = args.handle(args, settings)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        os._exit(1)  # the reader has gone; nothing more can be said
    except Exception as error:
        if not _is_away(error):
            raise
        reason = str(getattr(error, "orig", None) or error).partition("\n")[0]
        why = f"the record in {settings.store} cannot be used: {reason}"
        if getattr(args, "json", False):
            print(json.dumps({"ok": False, "problems": [why]}))
        print(f"schoolgate: {why}", file=sys.stderr)
        return 1
    return status


def _is_away(error: Exception) -> bool:
    """Whether a database could not be reached or used, which is no bug; looked up, because loading it takes a while."""
    known = sys.modules.get("sqlalchemy.exc")
    return known is not None and isinstance(error, (known.OperationalError, known.InterfaceError))


def named(words: Sequence[str]) -> str | None:
    """The command that is asked for, when that is plain; None leaves it to the whole command line to say."""
    rest = iter(words)
    for word in rest:
        if word in ("--settings", "--data"):
            next(rest, None)
        elif not word.startswith("-"):
            return word if word in COMMANDS else None
        elif word != "--debug" and not word.startswith(("--settings=", "--data=")):
            return None
    return None


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or that of one command: each loads what it needs, and nobody waits for the others."""
    parser = argparse.ArgumentParser(prog="schoolgate", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"schoolgate {version('schoolgate')}")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings file (else SCHOOLGATE_SETTINGS, …)")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="data folder, instead of the settings' one")
    parser.add_argument("--debug", action="store_true", help="say more on stderr")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS if command is None else (command,):
        import_module(f"proxy.commands.{name}").add(commands)
    _allow_after_command(commands)
    return parser


def _allow_after_command(commands: Any) -> None:
    """People write `schoolgate run --settings FILE` as well as `schoolgate --settings FILE run`: take both."""
    for parser in dict.fromkeys(commands.choices.values()):
        for flag, words in (("--settings", "settings file"), ("--data", "data folder")):
            parser.add_argument(flag, type=Path, default=argparse.SUPPRESS, help=words)
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                _allow_after_command(action)
