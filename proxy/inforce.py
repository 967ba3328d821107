"""What is in force: the last policy that was found good, and the settings the gateway started with, in the run folder.

The supervisor checks them and puts them here by rename; its processes read only this. So a file that is being edited,
or was broken after it was accepted, never stops a worker from starting again.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import yaml

from categories.index import CompiledIndex
from categories.snapshot import SnapshotError, open_snapshot, snapshot_is_current, verify_snapshot
from categories.stored import CURRENT
from categories.taxonomy import load_taxonomy
from policy.engine import Engine, EngineProblem
from policy.rows import Policy
from policy.rules import PolicyErrors, load_policy
from proxy import assembly
from proxy.decided import Parts, open_decided, put_together
from proxy.quietly import quietly
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


def open_parts(settings: Settings, verified: str = "") -> Parts:
    """Lists and policy in force; `verified` as for `open_snapshot`. Raises what they raise."""
    return parts_with(settings, open_snapshot(assembly.lists_folder(settings), verified))


def parts_with(settings: Settings, index: CompiledIndex) -> Parts:
    """The policy in force with other lists; as it is on disk where no gateway ever ran. Raises what it raises."""
    parts = _parts(*text_in_force(settings), index)
    return replace(parts, standing=open_standing(settings.data)) if policy_file(settings).exists() else parts


def text_in_force(settings: Settings) -> tuple[str, str]:
    """The text of the policy in force and the name of its file; as it is on disk where no gateway ever ran."""
    if not policy_file(settings).exists():
        return assembly.policy_text(settings)
    kept = json.loads(policy_file(settings).read_text(encoding="utf-8"))
    return kept["text"], kept["file"]


def try_text(settings: Settings, text: str, file: str) -> Engine:
    """The engine with another policy, on the lists and decisions in force; nothing is put in force. Raises what is
    wrong with it."""
    return engine_with(open_parts(settings), settings, text, file)


def engine_with(parts: Parts, settings: Settings, text: str, file: str) -> Engine:
    """As `try_text`, on these parts."""
    trial = replace(parts, policy=policy_from(parts, text, file))
    return put_together(trial, open_decided(settings), datetime.now(UTC))


def policy_from(parts: Parts, text: str, file: str) -> Policy:
    """A policy that is read and checked against the lists of these parts. Raises `PolicyErrors`."""
    return _read_policy(text, file, assembly.own_categories(load_taxonomy(), parts.index))


def open_engine(settings: Settings, verified: str = "") -> Engine:
    """The engine in force: lists, policy and one-click decisions. Raises what its parts raise."""
    return put_together(open_parts(settings, verified), open_decided(settings), datetime.now(UTC))


def open_verified(settings: Settings) -> tuple[Engine, str]:
    """The engine in force, and the mark of its lists after a look at every byte. Raises what its parts raise."""
    # Hashing steps back and holds no lock; building does not: parked in the middle it would hold everything up.
    verified = quietly(lambda: verify_snapshot(assembly.lists_folder(settings)))
    return open_engine(settings, verified), verified


def accept(settings: Settings, index: CompiledIndex | None = None) -> Engine:
    """Check destinations, trust, lists and policy by building them, then put the policy in force. Raises if one is bad.

    The policy is read once: what was checked is what is kept, however often the file is saved meanwhile. `index` are
    the lists to take; None: those in force, compiled first where there are none.
    """
    assembly.destinations(settings, ())
    check_trust(settings)
    text, file = assembly.policy_text(settings)
    parts = _parts(text, file, assembly.open_index(settings) if index is None else index)
    engine = put_together(parts, open_decided(settings), datetime.now(UTC))
    put_in_force(settings, text, file)
    return engine


def accept_at_start(settings: Settings) -> bool:
    """As `accept`, but with the lists compiled last, if there are any; whether they are to be compiled again.

    So a start after an upgrade, or with a changed list, filters at once and compiles in the background. A policy that
    only goes with the new lists waits for them.
    """
    folder = assembly.lists_folder(settings)
    if (folder / CURRENT).exists() and not snapshot_is_current(folder, assembly.list_sources(settings)):
        with contextlib.suppress(SnapshotError, PolicyErrors, EngineProblem):
            accept(settings, open_snapshot(folder))
            return True
    accept(settings)
    return False


def _parts(text: str, file: str, index: CompiledIndex) -> Parts:
    return Parts(index, _read_policy(text, file, assembly.own_categories(load_taxonomy(), index)))


@lru_cache(maxsize=4)
def _read_policy(text: str, file: str, own: frozenset[str]) -> Policy:
    """Kept: lists are swapped far more often than the policy, and reading it is most of a swap's work in a worker."""
    return load_policy(text, file=file, categories=assembly.with_own(load_taxonomy(), own))
