"""What is in force: the last policy that was found good, kept in the run folder.

The supervisor checks a policy and puts it here by rename; workers read only this. So a file that is being edited, or
was broken after it was accepted, never stops a worker from starting again.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from categories.snapshot import open_snapshot
from categories.taxonomy import load_taxonomy
from policy.engine import Engine
from policy.rules import load_policy
from proxy import assembly
from proxy.decided import Parts, open_decided, put_together
from proxy.settings import Settings


def policy_file(settings: Settings) -> Path:
    """Where the policy in force is kept."""
    return settings.data / "run" / "policy-in-force.json"


def put_in_force(settings: Settings, text: str, file: str) -> None:
    """Keep a policy that was found good."""
    target = policy_file(settings)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = target.with_suffix(f".{os.getpid()}.new")
    with fresh.open("w", encoding="utf-8") as stream:
        json.dump({"file": file, "text": text}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(target)


def open_parts(settings: Settings) -> Parts:
    """Lists and policy in force. Raises what they raise."""
    kept = json.loads(policy_file(settings).read_text(encoding="utf-8"))
    taxonomy = load_taxonomy()
    index = open_snapshot(assembly.lists_folder(settings))
    policy = load_policy(kept["text"], file=kept["file"], categories=assembly.known_categories(taxonomy, index))
    return Parts(index, policy)


def open_engine(settings: Settings) -> Engine:
    """The engine in force: lists, policy and one-click decisions. Raises what its parts raise."""
    return put_together(open_parts(settings), open_decided(settings), datetime.now(UTC))


def accept(settings: Settings) -> Engine:
    """Check destinations, lists and policy by building them, then put the policy in force. Raises if one is bad."""
    assembly.destinations(settings, ())
    engine = assembly.open_engine(settings)
    put_in_force(settings, *assembly.policy_text(settings))
    return engine
