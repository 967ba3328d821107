"""Which statutory lists are in force, kept beside copies of them: `data/statutory/` in, a `Standing` out.

`proxy.statutory` writes here and nobody else; workers and commands only read. Copies, not the operator's files, are
what workers open: whatever happens to a file after it was accepted, what was accepted stays in force. Every reader
verifies every copy, signature and all, and works on the very bytes it verified.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from categories.model import Index
from categories.statutory import Installed, StatutoryIndex
from categories.statutory_bundle import Bundle, BundleProblem, open_bundle, read_public_key
from policy.engine import EngineProblem

STATE = "in-force.json"
FORMAT = 1
DUTIES = {"child-abuse": "IWF", "terrorism": "CTIRU"}
"""Categories without which nobody is compliant, and whose lists fill them (requirements F-02, F-03, D-12)."""
ANEW = "stop the gateway, move the folder away and start again; it begins with what the settings name, and says so"
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class StatutoryError(EngineProblem):
    """Statutory lists that must not be served, or a change that is refused."""


@dataclass(frozen=True, slots=True)
class Held:
    """What is remembered of one source."""

    name: str
    path: str
    """Where bundles are taken from."""
    public_key: str
    """Key that signed what is in force; the settings' while nothing is."""
    required: bool = True
    """Whether it is needed for compliance; once true, for good."""
    configured: bool = True
    """Whether the settings still name it."""
    successor: str | None = None
    """Key that may sign what follows."""
    category: str = ""
    sequence: int = 0
    """Number of the bundle in force; 0 while none ever was."""
    purpose: str = ""
    file: str | None = None
    """Its copy in the folder; None while none is in force."""
    sha256: str = ""
    problems: tuple[str, ...] = ()
    """What was wrong at the last look."""


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered of all of them."""

    when_missing: Literal["continue", "stop"] = "continue"
    stale: timedelta = timedelta(hours=24)
    refresh: timedelta = timedelta(minutes=5)
    checked_at: datetime = _NEVER
    """When everything was last read and verified."""
    sources: tuple[Held, ...] = ()

    def held(self, name: str) -> Held | None:
        """What is remembered of a source."""
        return next((held for held in self.sources if held.name == name), None)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force now, and whether that is what the law asks for. Time is an argument throughout."""

    state: State = State()
    bundles: dict[str, Bundle] = field(default_factory=dict, repr=False)
    """Verified, by source."""

    def served_at(self, at: datetime) -> tuple[object, ...]:
        """Equal for two standings that a worker would serve alike at that moment."""
        closed = self.closes_at is not None and at >= self.closes_at
        return (closed, self.closes_at, *sorted((name, bundle.digest) for name, bundle in self.bundles.items()))

    def over(self, index: Index) -> Index:
        """`index` with the statutory lists laid over it."""
        installed = [Installed(name, bundle) for name, bundle in sorted(self.bundles.items())]
        return StatutoryIndex(installed, index) if installed else index

    @property
    def closes_at(self) -> datetime | None:
        """From when everything is refused: at once while a required list is missing, else when the first is too old.

        None when the school chose to go on. A damaged file beside a good list in force closes nothing until then.
        """
        if self.state.when_missing != "stop":
            return None
        if self._missing_duties():
            return _NEVER
        return min((self._good_until(held) for held in self.state.sources if held.required), default=_NEVER)

    def troubles(self, held: Held, at: datetime) -> tuple[str, ...]:
        """Everything that is wrong with one source."""
        found = list(held.problems)
        if not held.configured:
            found.append("the settings no longer name it; it stays in force, and must be named again")
        bundle = self.bundles.get(held.name)
        if bundle is None:
            return (*found, "nothing of it is in force")
        header = bundle.header
        if header.purpose == "test":
            found.append("it is a test list: it blocks, and it counts for nothing")
        if at >= header.expires:
            found.append(f"it expired at {header.expires:%Y-%m-%d %H:%M} UTC")
        if at - header.created >= self.state.stale:
            found.append(f"it is stale: issued {_ago(at - header.created)} ago, {_ago(self.state.stale)} are allowed")
        return tuple(found)

    def problems(self, at: datetime) -> tuple[str, ...]:
        """Why this gateway is not compliant; empty when it is."""
        found = [f"no {owner} list ({category}) is in force" for category, owner in self._missing_duties().items()]
        for held in self.state.sources:
            if held.required:
                found += [f"list {held.name}: {trouble}" for trouble in self.troubles(held, at)]
        late = at - self.state.checked_at
        if self.state.sources and late > 2 * self.state.refresh + timedelta(minutes=1):
            found.append(f"nothing was verified for {_ago(late)}: no gateway runs, or its checks have stopped")
        return tuple(found)

    def _missing_duties(self) -> dict[str, str]:
        filled = {
            held.category
            for held in self.state.sources
            if held.required and held.purpose == "issue" and held.name in self.bundles
        }
        return {category: owner for category, owner in DUTIES.items() if category not in filled}

    def _good_until(self, held: Held) -> datetime:
        bundle = self.bundles.get(held.name)
        if bundle is None or bundle.header.purpose == "test":
            return _NEVER
        return min(bundle.header.created + self.state.stale, bundle.header.expires)


def folder_of(data: Path) -> Path:
    """Where it is kept."""
    return data / "statutory"


def read_state(folder: Path) -> State | None:
    """What is remembered; None when nothing ever was. Raises `StatutoryError` when it cannot be read."""
    file = folder / STATE
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
        return _state(said)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StatutoryError(f"{file}: what is in force cannot be read ({type(error).__name__}); {ANEW}") from error


def state_text(state: State) -> bytes:
    """The state as it is kept."""
    said = asdict(state) | {
        "format": FORMAT,
        "stale": state.stale.total_seconds(),
        "refresh": state.refresh.total_seconds(),
        "checked_at": state.checked_at.isoformat(),
    }
    return json.dumps(said, indent=1).encode()


def _state(said: dict[str, Any]) -> State:
    if said.pop("format") != FORMAT:
        raise ValueError("another format")
    return State(
        when_missing=said["when_missing"],
        stale=timedelta(seconds=said["stale"]),
        refresh=timedelta(seconds=said["refresh"]),
        checked_at=datetime.fromisoformat(said["checked_at"]).astimezone(UTC),
        sources=tuple(Held(**{**item, "problems": tuple(item["problems"])}) for item in said["sources"]),
    )


def open_copy(folder: Path, held: Held) -> Bundle | None:
    """The bundle in force of a source, verified whole. Raises `StatutoryError` when its copy is not what it was."""
    if held.file is None:
        return None
    file = folder / held.file
    try:
        raw = file.read_bytes()
        if hashlib.sha256(raw).hexdigest() != held.sha256:
            raise BundleProblem("it is not what was accepted")
        return open_bundle(raw, read_public_key(held.public_key))
    except (OSError, BundleProblem, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise StatutoryError(f"statutory list {held.name}: its copy {file} was tampered with: {why}") from error


def open_standing(data: Path, *, strict: bool = True) -> Standing:
    """What is in force, every copy verified anew; nothing remembered is an empty standing.

    `strict` raises `StatutoryError` for a copy that was changed; else the list is told as not in force.
    """
    folder = folder_of(data)
    state = read_state(folder) or State()
    sources: list[Held] = []
    bundles: dict[str, Bundle] = {}
    for held in state.sources:
        try:
            bundle = open_copy(folder, held)
        except StatutoryError as error:
            if strict:
                raise
            sources.append(replace(held, problems=(*held.problems, str(error))))
            continue
        sources.append(held)
        if bundle is not None:
            bundles[held.name] = bundle
    return Standing(replace(state, sources=tuple(sources)), bundles)


def _ago(time: timedelta) -> str:
    hours, seconds = divmod(int(time.total_seconds()), 3600)
    return f"{hours} h" if hours >= 2 else f"{(hours * 3600 + seconds) // 60} min"
