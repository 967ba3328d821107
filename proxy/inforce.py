"""What is in force: the last policy that was found good, and the settings the gateway started with, in the run folder.

The supervisor checks them and puts them here by rename; its processes read only this. So a file that is being edited,
or was broken after it was accepted, never stops a worker from starting again.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import yaml

from categories.index import CompiledIndex
from categories.snapshot import open_snapshot
from categories.taxonomy import load_taxonomy
from policy.engine import Engine
from policy.rules import load_policy
from proxy import assembly
from proxy.decided import Parts, open_decided, put_together
from proxy.settings import Settings
from proxy.statutory_state import open_standing
from proxy.trust import check_trust


def policy_file(settings: Settings) -> Path:
    """Where the policy in force is kept."""
    return settings.data / "run" / "policy-in-force.json"


def put_in_force(settings: Settings, text: str, file: str) -> None:
    """Keep a policy that was found good."""
    _keep(policy_file(settings), json.dumps({"file": file, "text": text}))


def keep_settings(settings: Settings) -> Path:
    """Keep the settings for the processes of this gateway; returns the file to hand them."""
    target = settings.data / "run" / "settings-in-force.yaml"
    _keep(target, yaml.safe_dump(settings.model_dump(mode="json"), allow_unicode=False))
    return target


def _keep(target: Path, text: str) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = target.with_suffix(f".{os.getpid()}.new")
    with fresh.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(target)


def open_parts(settings: Settings) -> Parts:
    """Lists and policy in force. Raises what they raise."""
    kept = json.loads(policy_file(settings).read_text(encoding="utf-8"))
    parts = _parts(kept["text"], kept["file"], open_snapshot(assembly.lists_folder(settings)))
    return replace(parts, standing=open_standing(settings.data))


def open_engine(settings: Settings) -> Engine:
    """The engine in force: lists, policy and one-click decisions. Raises what its parts raise."""
    return put_together(open_parts(settings), open_decided(settings), datetime.now(UTC))


def accept(settings: Settings) -> Engine:
    """Check destinations, trust, lists and policy by building them, then put the policy in force. Raises if one is bad.

    The policy is read once: what was checked is what is kept, however often the file is saved meanwhile.
    """
    assembly.destinations(settings, ())
    check_trust(settings)
    text, file = assembly.policy_text(settings)
    parts = _parts(text, file, assembly.open_index(settings))
    engine = put_together(parts, open_decided(settings), datetime.now(UTC))
    put_in_force(settings, text, file)
    return engine


def _parts(text: str, file: str, index: CompiledIndex) -> Parts:
    categories = assembly.known_categories(load_taxonomy(), index)
    return Parts(index, load_policy(text, file=file, categories=categories))
