"""Updates lists: fetch, compile aside, check, swap; in a process of its own, never in a worker.

In come the settings and which sources are meant; out comes a `Report`, one outcome a list. The rule: what is in force
stays in force until something better is complete. A source that fails, or that the checks refuse, keeps its old
version, and the others are updated all the same.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from categories.changes import Changes, compare
from categories.checks import Refusal, blamed_sources
from categories.fetch import FetchProblem, Known, fetch
from categories.snapshot import SnapshotError, SnapshotReport, adopt_snapshot, build_snapshot, snapshot_is_current
from categories.sources import ListSource
from categories.taxonomy import load_taxonomy
from proxy import sourcestore
from proxy.assembly import list_sources, lists_folder
from proxy.listchecks import Trial
from proxy.settings import Settings
from proxy.sourcestore import WHOLE, State, as_list, limits_of, read_state, remote_of, store_of, write_state
from registry.sources import Source

CANDIDATE = "candidate"
"""Folder below the lists' where new ones are compiled aside."""


@dataclass(slots=True)
class Outcome:
    """What became of one list."""

    name: str
    """Name of the source; empty for all lists together."""
    state: str
    """`updated`, `unchanged` or `failed`."""
    what: str = ""
    """Why it failed."""
    changes: Changes | None = None
    """What the update changed."""


@dataclass(slots=True)
class Report:
    """What an update did."""

    outcomes: list[Outcome] = field(default_factory=list)
    """One for each source that was meant."""
    revision: str = ""
    """Revision of the lists that were put in force; empty when nothing was."""
    problem: str = ""
    """Why nothing was, when something should have been."""
    compiled: SnapshotReport | None = None
    """What compiling told."""

    @property
    def ok(self) -> bool:
        """Whether everything went well."""
        return not self.problem and all(one.state != "failed" for one in self.outcomes)


@dataclass(slots=True)
class _Candidate:
    """A version that was fetched and is not in force yet."""

    source: Source
    folder: Path
    known: Known
    changes: Changes


@contextlib.contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """One update at a time; a second one waits for the first."""
    folder = lists_folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".update.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def update(
    settings: Settings, wanted: Collection[Source], at: datetime, *, anyway: bool = False, again: bool = False
) -> Report:
    """Look for new versions of `wanted`, and compile what is not compiled yet; with `again`, in any case.

    `anyway` takes lists although their size or their well-known hosts changed too much; what would close a help site
    or a site that is never blocked is refused all the same. Raises `OSError`, `OverlayError` or `PolicyErrors`.
    """
    with alone(settings):
        report = Report()
        candidates = {}
        for source in wanted:
            if (found := _look(settings, source, at, report, anyway=anyway)) is not None:
                candidates[source.name] = found
        try:
            _compile(settings, candidates, at, report, anyway=anyway, again=again)
        finally:
            shutil.rmtree(lists_folder(settings) / CANDIDATE, ignore_errors=True)
        return report


def _look(settings: Settings, source: Source, at: datetime, report: Report, *, anyway: bool) -> _Candidate | None:
    """Fetch one source. Failures are noted, and the next one is looked at."""
    state, store = read_state(settings, source.name), store_of(settings, source.name)
    try:
        fetched = fetch(remote_of(source), store, state.known(source.key), limits_of(source, settings))
        if fetched.folder is None:
            now = replace(state, etag=fetched.known.etag, modified=fetched.known.modified)
            stamp = at.timestamp()
            write_state(settings, source.name, replace(now, last_try=stamp, last_success=stamp, problem=""))
            report.outcomes.append(Outcome(source.name, "unchanged"))
            return None
        if fetched.known.sha256 == state.refused and state.problem and not anyway:
            shutil.rmtree(fetched.folder, ignore_errors=True)
            raise FetchProblem(state.problem)
        candidate = _Candidate(source, fetched.folder, fetched.known, _changes(settings, source, state, fetched.folder))
    except (FetchProblem, OSError) as error:
        _fail(settings, source.name, str(error), at, report)
        return None
    if not candidate.changes.after:
        _refuse(settings, candidate, "there is no entry in it that can be read", at, report)
        return None
    return candidate


def _changes(settings: Settings, source: Source, state: State, folder: Path) -> Changes:
    store = store_of(settings, source.name)
    before = as_list(source, store / state.version) if state.version and (store / state.version).exists() else None
    return compare(before, as_list(source, folder), load_taxonomy(), store)


def _compile(
    settings: Settings, candidates: dict[str, _Candidate], at: datetime, report: Report, *, anyway: bool, again: bool
) -> None:
    """Compile, check, and leave out what is to blame, until what is left is good or nothing is left."""
    folder = lists_folder(settings)
    while True:
        sources = list_sources(settings, {name: one.folder for name, one in candidates.items()})
        if not candidates and not again and snapshot_is_current(folder, sources):
            return
        blamed, refusals = _try(settings, sources, candidates, at, report, anyway=anyway)
        if not refusals:
            break
        if not candidates:
            report.problem = "; ".join(map(str, refusals))
            write_state(settings, WHOLE, read_state(settings, WHOLE).failed(report.problem, at))
            return
        for name in blamed or tuple(candidates):
            said = [str(one) for one in refusals if not blamed or one.list.partition("/")[0] == name or not one.list]
            _refuse(settings, candidates.pop(name), "; ".join(said or map(str, refusals)), at, report)
    path = adopt_snapshot(folder / CANDIDATE, folder)
    if report.compiled is not None:
        report.compiled = replace(report.compiled, path=path)
        report.revision = report.compiled.revision
    for one in candidates.values():
        _accept(settings, one, at, report)
    whole = read_state(settings, WHOLE)
    write_state(settings, WHOLE, replace(whole, last_try=at.timestamp(), last_success=at.timestamp(), problem=""))


def _try(
    settings: Settings,
    sources: tuple[ListSource, ...],
    candidates: dict[str, _Candidate],
    at: datetime,
    report: Report,
    *,
    anyway: bool,
) -> tuple[frozenset[str], list[Refusal]]:
    """Compile aside and check: who is to blame, and for what; both empty when all is well."""
    aside = lists_folder(settings) / CANDIDATE
    shutil.rmtree(aside, ignore_errors=True)
    try:
        report.compiled = build_snapshot(sources, aside, load_taxonomy())
        refusals = Trial(settings, aside, at, anyway=anyway).refusals()
    except SnapshotError as error:
        named = frozenset(name for name in candidates if f"list {name}:" in error.what or f"list {name}/" in error.what)
        return named, [Refusal("", error.what)]
    return blamed_sources(refusals, candidates), refusals


def _accept(settings: Settings, one: _Candidate, at: datetime, report: Report) -> None:
    name, stamp, known = one.source.name, at.timestamp(), one.known
    state = replace(
        read_state(settings, name),
        version=one.folder.name,
        etag=known.etag,
        modified=known.modified,
        sha256=known.sha256,
        key=one.source.key,
        refused=None,
        last_try=stamp,
        last_success=stamp,
        changed=stamp,
        problem="",
        changes=one.changes.as_json(),
    )
    write_state(settings, name, state)
    sourcestore.forget_versions(settings, name, keep=one.folder.name)
    report.outcomes.append(Outcome(name, "updated", changes=one.changes))


def _refuse(settings: Settings, one: _Candidate, what: str, at: datetime, report: Report) -> None:
    """A version that was fetched and must not be used: the old one stays."""
    shutil.rmtree(one.folder, ignore_errors=True)
    name = one.source.name
    write_state(settings, name, replace(read_state(settings, name), refused=one.known.sha256))
    _fail(settings, name, what, at, report)


def _fail(settings: Settings, name: str, what: str, at: datetime, report: Report) -> None:
    state = read_state(settings, name)
    kept = "; the version before stays in force" if state.version else ""
    write_state(settings, name, state.failed(what, at))
    report.outcomes.append(Outcome(name, "failed", f"{what}{kept}"))
