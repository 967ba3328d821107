"""Statutory lists: taken from where the operator puts them, verified, kept, and never let go again.

In come the settings and the time; out comes a `Standing`, and copies of what is in force in `data/statutory/`. Runs in
the supervisor at the start, at every reload and every few minutes. The rule here: a look can put a newer bundle of the
same issuer in force, and nothing else can change what is. A missing, damaged, foreign or older file is told, loudly;
what was in force stays. A source that the settings no longer name stays too.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from categories.statutory_bundle import (
    LARGEST,
    Bundle,
    BundleProblem,
    Header,
    key_id,
    open_bundle,
    peek,
    public_key_text,
    read_public_key,
)
from categories.taxonomy import Kind, load_taxonomy
from proxy.privatefile import held_folder, write_private
from proxy.settings import Settings
from proxy.statutory_settings import StatutorySettings, StatutorySource
from proxy.statutory_state import (
    STATE,
    Held,
    Standing,
    State,
    StatutoryError,
    folder_of,
    open_copy,
    open_standing,
    read_state,
    state_text,
)

logger = logging.getLogger(__name__)

AHEAD = timedelta(hours=1)
"""How far an issuer's clock may be ahead of ours."""


class Keeper:
    """Keeps what is in force. One in a gateway, in its supervisor."""

    def __init__(self, data: Path) -> None:
        """`data` is the data folder."""
        self._folder = folder_of(data)
        self._standing = Standing()

    @property
    def standing(self) -> Standing:
        """What the last look found."""
        return self._standing

    def refuse_loosening(self, wanted: StatutorySettings) -> None:
        """Raise `StatutoryError` when settings would take back what is in force: a running gateway does not do that."""
        if problems := tuple(loosened(wanted, self._standing.state)):
            raise StatutoryError("; ".join((*problems, "statutory lists stay as they are")))

    def refresh(self, wanted: StatutorySettings, at: datetime) -> Standing:
        """Look at every file and every copy, keep what is newer, write down how it stands.

        Raises `StatutoryError` when what is remembered cannot be read, `OSError` when nothing can be written.
        """
        with held_folder(self._folder):
            before = self._remembered()
            bundles = self._copies(before)
            after, bundles = look(wanted, before, bundles, at)
            for held in after.sources:
                bundle = bundles.get(held.name)
                if bundle is not None and held.file is not None and not self._is_kept(held):
                    write_private(self._folder / held.file, bundle.raw)
            write_private(self._folder / STATE, state_text(after))
            self._forget(before, after)
        self._standing = Standing(after, bundles)
        return self._standing

    def _remembered(self) -> State:
        """The state on disk; the one in memory when somebody damaged or removed the file under a running gateway."""
        known = self._standing.state
        try:
            told = read_state(self._folder)
        except StatutoryError:
            if not known.sources:
                raise
            told = None
        if known.sources and told != known:
            logger.critical("statutory lists: %s was changed by somebody else; what is in force stays", STATE)
            return known
        return told or State()

    def _copies(self, state: State) -> dict[str, Bundle]:
        """Every bundle in force, from disk; from memory when a copy was tampered with under a running gateway."""
        bundles: dict[str, Bundle] = {}
        for held in state.sources:
            known = self._standing.bundles.get(held.name)
            try:
                bundle = open_copy(self._folder, held)
            except StatutoryError as error:
                logger.critical("%s; %s", error, "it is put right" if known else "nothing of it is in force")
                bundle = known
            if bundle is not None:
                bundles[held.name] = bundle
        return bundles

    def _is_kept(self, held: Held) -> bool:
        try:
            return hashlib.sha256((self._folder / str(held.file)).read_bytes()).hexdigest() == held.sha256
        except OSError:
            return False

    def _forget(self, *states: State) -> None:
        """Remove copies nobody may still be opening: those of before the last look."""
        kept = {held.file for state in states for held in state.sources}
        for file in self._folder.glob("*.bundle"):
            if file.name not in kept:
                file.unlink()


def standing_for(settings: Settings, at: datetime, *, strict: bool = True) -> Standing:
    """What is in force, for a command beside the gateway; before the first start, what would be. Changes nothing.

    `strict` as for `open_standing`.
    """
    if read_state(folder_of(settings.data)) is not None:
        return open_standing(settings.data, strict=strict)
    return Standing(*look(settings.statutory, State(), {}, at))


def look(
    wanted: StatutorySettings, before: State, bundles: dict[str, Bundle], at: datetime
) -> tuple[State, dict[str, Bundle]]:
    """What is in force after a look at every offered file; `bundles` are the verified ones in force. Writes nothing."""
    told = {source.name: source for source in wanted.sources}
    names = [*told, *(held.name for held in before.sources if held.name not in told)]
    sources: list[Held] = []
    after: dict[str, Bundle] = {}
    for name in names:
        held, bundle = _look_at(told.get(name), before.held(name), bundles.get(name), at)
        if held is not None:
            sources.append(held)
        if bundle is not None:
            after[name] = bundle
    return State(wanted.when_missing, wanted.stale, wanted.refresh, at, tuple(sources)), after


def loosened(wanted: StatutorySettings, state: State) -> Iterator[str]:
    """Every way in which settings would take back what was once in force."""
    told = {source.name: source for source in wanted.sources}
    for held in state.sources:
        source = told.get(held.name)
        if not held.sequence:
            continue
        if source is None:
            yield f"list {held.name} was in force and cannot be removed"
            continue
        if source.public_key not in (held.public_key, held.successor):
            yield f"list {held.name}: only its issuer can change the key, by a bundle that names the next one"
        if held.required and not source.required:
            yield f"list {held.name} was required and stays so"


def _look_at(
    source: StatutorySource | None, held: Held | None, bundle: Bundle | None, at: datetime
) -> tuple[Held | None, Bundle | None]:
    """One source: what is remembered of it, and the bundle in force."""
    if source is None and (held is None or not held.sequence):
        return None, None  # never in force: forgotten with the settings
    if held is None or not held.sequence:
        if source is None:
            return None, None
        held = Held(source.name, str(source.path), source.public_key, source.required)
    keys, problems = [held.public_key], []
    if source is not None:
        held = replace(held, path=str(source.path), required=held.required or source.required)
        if source.public_key == held.successor:
            keys.append(source.public_key)
        elif source.public_key != held.public_key:
            problems.append("the settings name another key than the one in force; only the issuer can change it")
    held = replace(held, configured=source is not None)
    try:
        offered = _offered(held, keys, bundle, at)
    except BundleProblem as problem:
        problems.append(f"{held.path}: {problem}")
        offered = None
    if offered is not None:
        held, bundle = _taken(held, offered), offered
    if bundle is None:
        held = replace(held, file=None)
    return replace(held, problems=tuple(problems)), bundle


def _offered(held: Held, keys: list[str], bundle: Bundle | None, at: datetime) -> Bundle | None:
    """The bundle at the source's path when it is newer than the one in force; None when it is that very one.

    Raises `BundleProblem` for everything else.
    """
    raw = _read(Path(held.path))
    if bundle is not None and raw == bundle.raw:
        return None
    if held.successor and held.successor not in keys and peek(raw).get("key_id") == key_id(_public(held.successor)):
        raise BundleProblem("it is signed by the key its issuer announced; put that key into the settings")
    offered = open_bundle(raw, *map(_public, keys))
    _check(offered.header, offered.digest, held, at)
    return offered


def _check(header: Header, digest: str, held: Held, at: datetime) -> None:
    """Whether a properly signed bundle may follow what is in force. Raises `BundleProblem`."""
    category = load_taxonomy().get(header.category)
    if category is None or category.kind is not Kind.STATUTORY:
        raise BundleProblem(f"it is of category {header.category[:60]!a}, which is no statutory one")
    if held.category and held.category != header.category:
        raise BundleProblem(f"it is of category {header.category}; the list in force is of {held.category}")
    if header.created > at + AHEAD:
        raise BundleProblem(f"it was issued in the future ({header.created:%Y-%m-%d %H:%M} UTC); check the clock")
    if header.sequence < max(held.sequence, 1):
        raise BundleProblem(f"it is an older issue (number {header.sequence}); number {held.sequence} was in force")
    if header.sequence == held.sequence and digest != held.sha256:
        raise BundleProblem(f"it is another issue with the number of the one in force ({held.sequence})")
    if held.purpose == "issue" and header.purpose == "test":
        raise BundleProblem("it is a test list; an issued list is in force")


def _taken(held: Held, bundle: Bundle) -> Held:
    header = bundle.header
    signer = next(
        key for key in (held.public_key, held.successor) if key is not None and key_id(_public(key)) == header.key_id
    )
    return replace(
        held,
        public_key=signer,
        successor=None if header.successor is None else public_key_text(_public(header.successor)),
        category=header.category,
        sequence=header.sequence,
        purpose=header.purpose,
        file=f"{held.name}-{bundle.digest[:16]}.bundle",
        sha256=bundle.digest,
    )


def _public(key: str) -> bytes:
    return read_public_key(key)


def _read(file: Path) -> bytes:
    """The whole file. Raises `BundleProblem` when there is none, or far too much of it."""
    try:
        # Not blocking: a pipe put there must not hold up the look at every other list.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise BundleProblem(f"it cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BundleProblem("it is no file")
        if status.st_size > LARGEST:
            raise BundleProblem(f"it is larger than {LARGEST // 2**20} MiB")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(LARGEST)
    except OSError as error:
        raise BundleProblem(f"it cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
