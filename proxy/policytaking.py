"""Takes the policy that was published in the console: out of the register into this gateway's own file, or not at all.

Settings in; the engine with that policy out. The rules: it is built before it is written, a text that is refused leaves
the file as it was, and a text that nobody could find again (edited by hand) is kept beside it. Every gateway that
shares a register takes what was published there, each once, and only what is newer than what it took last: who edits
the file later is overruled by the next only. Back it goes only from a version that was refused after it was taken here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection

from logstore.db import reading
from policy.engine import Engine
from proxy import inforce
from proxy.privatefile import write_private
from proxy.settings import Settings
from registry import policies
from registry.policies import Version

logger = logging.getLogger(__name__)

MODE = 0o640
"""Who may read the policy file: its owner and group."""


class CannotTake(Exception):
    """What was published is not for this gateway to take. Says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What this gateway did about what was published."""

    number: int = 0
    """Version it looked at last; 0 for none."""
    problem: str = ""
    """Why it did not take it; empty when it did."""
    taken: int = 0
    """Version it took last; 0 for none."""


def target(settings: Settings) -> Path:
    """The file a published policy is written to."""
    return settings.data / "policy.yaml" if settings.policy is None else settings.policy


def kept_elsewhere(settings: Settings) -> str:
    """Why the console does not write the policy here, in words; empty when it does."""
    if settings.policy is None or settings.console.writes_policy:
        return ""
    return (
        f"{settings.policy} is named in the settings, so it is taken to be edited elsewhere, such as under version "
        "control. Download the text and put it there, or set `console.writes_policy: true`"
    )


def mark_of(settings: Settings) -> Mark:
    """What this gateway did last."""
    return _mark(settings) or Mark()


def _mark(settings: Settings) -> Mark | None:
    """What this gateway did last; None when that was never written, or is lost."""
    try:
        told = json.loads(_mark_file(settings).read_text(encoding="utf-8"))
        number, problem = int(told["number"]), str(told["problem"])
        return Mark(number, problem, int(told.get("taken", 0 if problem else number)))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def waiting(settings: Settings, *, again: bool = True) -> Version | None:
    """What was published and is not taken yet; not `again`: nor refused. Raises what the store does.

    What is in force already is noted as taken.
    """
    mark = _mark(settings)
    with reading(settings.store) as connection:
        version = policies.newest(connection)
        if version is None:
            if mark is None:
                _set_mark(settings, Mark())  # from here on, what is published is newer than this file
            return None
        if mark is not None and version.id == mark.number:
            return version if again and mark.problem else None
        if mark is None and not _published_text(connection, target(settings)):
            logger.warning(
                "policy: %s holds what was never published, and what was taken last is not known: it stays until the "
                "next version after %d is published", target(settings),
                version.id,
            )  # fmt: skip
            _set_mark(settings, Mark(version.id))
            return None
        last = policies.get(connection, mark.taken) if mark is not None and mark.taken else None
    if version.digest == policies.digest_of(inforce.text_in_force(settings)[0]):
        _set_mark(settings, Mark(version.id, taken=version.id))
        return None
    return version if last is None or last.state == policies.REFUSED or _newer(version, last) else None


def _newer(version: Version, last: Version) -> bool:
    return version.published_at is not None and (last.published_at is None or version.published_at > last.published_at)


def _published_text(connection: Connection, file: Path) -> bool:
    """Whether it may be replaced when nobody knows what was taken last: it is not there, or a version holds it."""
    if not file.exists():
        return True
    digest = policies.digest_of(file.read_text(encoding="utf-8", errors="surrogateescape"))
    return policies.known(connection, digest) is not None


def take(settings: Settings, version: Version, accept: Callable[[Settings], Engine]) -> Engine:
    """Write it and have it accepted. Raises what is wrong with it, and then the file is as it was."""
    try:
        if why := kept_elsewhere(settings):
            raise CannotTake(f"version {version.id} of the policy was published, but {why}")
        inforce.try_text(settings, version.text, str(target(settings)))
        engine = _written(settings, version, accept)
    except Exception as error:
        _set_mark(settings, Mark(version.id, str(error)[:2000], mark_of(settings).taken))
        raise
    _set_mark(settings, Mark(version.id, taken=version.id))
    logger.info("policy: version %d (%s) is in force", version.id, version.digest[:12])
    return engine


def _written(settings: Settings, version: Version, accept: Callable[[Settings], Engine]) -> Engine:
    file = target(settings)
    before = file.read_bytes() if file.exists() else None
    _keep_unknown(settings, file, before)
    write_private(file, version.text.encode("utf-8"), mode=MODE)
    try:
        return accept(settings)
    except BaseException:
        if before is None:
            file.unlink()
        else:
            write_private(file, before, mode=MODE)
        raise


def _keep_unknown(settings: Settings, file: Path, before: bytes | None) -> None:
    """Keep a text beside the file that no published version holds."""
    if before is None:
        return
    digest = policies.digest_of(before.decode("utf-8", "surrogateescape"))
    with reading(settings.store) as connection:
        known = policies.known(connection, digest)
    if known is None:
        write_private(file.with_name(f"{file.name}.{digest[:12]}.kept"), before, mode=MODE)


def _mark_file(settings: Settings) -> Path:
    return settings.data / "run" / "policy-taken.json"


def _set_mark(settings: Settings, mark: Mark) -> None:
    file = _mark_file(settings)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, json.dumps(asdict(mark)).encode())
