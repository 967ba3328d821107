"""Looks at a gateway's surroundings: settings in, findings out. Changes nothing.

A finding says what was looked at, what was found, and what to do. Never shows green for what it could not see; says
plainly that no statutory list is in force (design §5.3).
"""

from __future__ import annotations

import os
import shutil
import ssl
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from categories.taxonomy import Category, load_taxonomy
from policy import engine
from proxy.finding import Finding
from proxy.recordlooks import RECORD_LOOKS
from proxy.settings import Settings

__all__ = ["Finding", "examine"]

SMALL_DISK = 2 * 1024**3
SILENT = 15.0
"""Seconds after which a shipper that said nothing is taken to be gone: it writes every second."""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything. A look that itself fails is a bad finding, never an end."""
    findings: list[Finding] = []
    for look in LOOKS:
        try:
            findings += look(settings)
        except Exception as error:
            from logstore.errorwords import in_words

            name = look.__name__.strip("_").replace("_", " ")
            findings.append(Finding(name, "bad", in_words(error)))
    return findings


def _interpreter(settings: Settings) -> Iterator[Finding]:
    python = f"{sys.version.split()[0]}, {ssl.OPENSSL_VERSION}"
    if optimised(sysconfig.get_config_var("CONFIG_ARGS") or "", sys.base_prefix):
        yield Finding("python", "good", python)
    else:
        advice = "take the distribution's, uv's, or build with --enable-optimizations: up to a third less work"
        yield Finding("python", "note", f"{python}, built without optimisation by profile", advice)
    if Path(engine.__file__ or "").suffix == ".py":
        advice = "docs/operations.md says how to compile it: the same verdicts for less work"
        yield Finding("decision", "note", "interpreted", advice)
    else:
        yield Finding("decision", "good", "compiled")
    leaks = [name for name in ("SSLKEYLOGFILE", "MITMPROXY_SSLKEYLOGFILE") if os.environ.get(name)]
    if leaks:
        yield Finding("environment", "bad", f"{', '.join(leaks)} is set", "unset it: it writes session keys to a file")


def optimised(asked: str, prefix: str) -> bool:
    """Whether a Python was built with optimisation by profile: from what its build was asked for, and where it lies.

    Distributions optimise theirs, in `/usr`, by means of their own that its `configure` knows nothing of.
    """
    return prefix == "/usr" or "--enable-optimizations" in asked


def _data_folder(settings: Settings) -> Iterator[Finding]:
    data = settings.data
    if not data.exists():
        yield Finding("data folder", "note", f"{data} is not there yet", "`schoolgate run` makes it")
        return
    mode = data.stat().st_mode & 0o777
    if mode & 0o077:
        yield Finding("data folder", "bad", f"{data} is open to others (mode {mode:o})", f"chmod 700 {data}")
    else:
        yield Finding("data folder", "good", f"{data}, mode {mode:o}")
    free = shutil.disk_usage(data).free
    enough = free > min(settings.spool.max_bytes, SMALL_DISK)
    yield Finding("disk", "good" if enough else "bad", f"{free / 1024**3:.1f} GiB free", "" if enough else "make room")
    yield Finding("disk speed", *_fsync(settings))
    yield from _volume(settings)


def _volume(settings: Settings) -> Iterator[Finding]:
    from proxy.volumes import volume_of

    volume = volume_of(settings.data)
    if volume is None:
        yield Finding("encryption at rest", "note", "unknown: this system does not say what the data folder lies on")
        return
    where = f"{volume.mount} ({volume.kind}, {volume.source})"
    if volume.network and isinstance(settings.store, Path):
        advice = "move it to a disk of this machine: SQLite's locks do not hold over a network"
        yield Finding("data folder's disk", "bad", f"{where} is on another machine", advice)
    match volume.encrypted:
        case "yes":
            yield Finding("encryption at rest", "good", f"yes: {where} lies on dm-crypt")
        case "no":
            advice = "put the data folder on LUKS: a stolen disk is six months of everybody's browsing"
            yield Finding("encryption at rest", "note", f"no: {where} does not lie on dm-crypt", advice)
        case "unknown":
            advice = "if the disk, the array or the host encrypts, write that down"
            yield Finding("encryption at rest", "note", f"unknown: {where}", advice)


def _fsync(settings: Settings) -> tuple[Literal["good", "note"], str, str]:
    probe = settings.data / f".doctor-{os.getpid()}"
    try:
        with probe.open("wb") as file:
            times = []
            for _ in range(20):
                file.write(b"x" * 4096)
                file.flush()
                began = time.perf_counter()
                os.fsync(file.fileno())
                times.append(time.perf_counter() - began)
    finally:
        probe.unlink(missing_ok=True)
    middle = sorted(times)[len(times) // 2] * 1000
    slow = middle > 25
    return "note" if slow else "good", f"fsync {middle:.2f} ms", "a slow disk: keep spool.strict off" if slow else ""


def _authority(settings: Settings) -> Iterator[Finding]:
    from proxy.ca import CaError, load_ca, passphrase_from

    if not (settings.data / "ca").exists():
        yield Finding("certificate authority", "note", "not made yet", "`schoolgate run` or `schoolgate ca create`")
        return
    try:
        passphrase = passphrase_from(os.environ, settings.ca.passphrase_file)
        status = load_ca(settings.data / "ca", at=datetime.now(UTC), passphrase=passphrase)
    except CaError as error:
        yield Finding("certificate authority", "bad", str(error))
        return
    days = (status.not_after - datetime.now(UTC)).days
    level: Literal["good", "bad"] = "good" if days >= 30 else "bad"
    yield Finding("certificate authority", level, f"{status.cert}, {days} days left", "" if days >= 30 else "renew")


def _lists_and_policy(settings: Settings) -> Iterator[Finding]:
    from categories.snapshot import open_snapshot, snapshot_is_current
    from policy.engine import Engine
    from proxy.assembly import known_categories, list_sources, lists_folder, open_policy, policy_text
    from proxy.policytaking import mark_of
    from proxy.troubles import TROUBLES, in_words

    folder, taxonomy = lists_folder(settings), load_taxonomy()
    categories: Mapping[str, Category] = taxonomy
    index = None
    try:
        if folder.exists():
            index = open_snapshot(folder)
            categories = known_categories(taxonomy, index)
            entries = sum(status.entries for status in index.lists)
            told = f"{len(index.lists)} lists, {entries:,} entries"
            if snapshot_is_current(folder, list_sources(settings)):
                yield Finding("lists", "good", told)
            else:
                yield Finding("lists", "note", f"{told}, and a list changed since", "`schoolgate reload` takes it")
        else:
            yield Finding("lists", "note", "not compiled yet", "`schoolgate run` compiles them")
    except TROUBLES as error:
        yield Finding("lists", "bad", in_words(error), "`schoolgate lists update` makes them anew")
    try:
        policy = open_policy(settings, categories)
        if index is not None:
            Engine(index, policy)  # checks itself, as at every start
    except TROUBLES as error:
        yield Finding("policy", "bad", in_words(error), "`schoolgate validate` shows every problem")
        return
    if problem := mark_of(settings).problem:
        yield Finding("policy", "bad", f"what was published is not in force here: {problem}", "publish another version")
        return
    yield Finding("policy", "good", f"{policy_text(settings)[1]}, {len(policy.rules)} rules")


def _statutory(settings: Settings) -> Iterator[Finding]:
    from proxy.statutory import standing_for

    at = datetime.now(UTC)
    standing = standing_for(settings, at, strict=False)
    if problems := standing.problems(at):
        told = f"not compliant: {'; '.join(problems)}"
        yield Finding("statutory lists", "bad", told, "`schoolgate statutory status`, docs/statutory.md")
        return
    entries = sum(bundle.header.entries for bundle in standing.bundles.values())
    yield Finding("statutory lists", "good", f"{', '.join(sorted(standing.bundles))}: {entries:,} entries, verified")


def _running(settings: Settings) -> Iterator[Finding]:
    from proxy.control import NotRunning, order, socket_path

    try:
        status = order(settings.data, {"do": "status"}, seconds=5)
    except NotRunning as error:
        if socket_path(settings.data).exists():  # it was there, and it does not answer
            yield Finding("gateway", "bad", str(error), "look at its log; it may have been killed")
        else:
            yield Finding("gateway", "note", "not running with this data folder", "`schoolgate run`")
        return
    workers = status.get("workers", [])
    revisions = {worker["revision"] for worker in workers}
    same = revisions == {status.get("revision")} and all(worker["pid"] for worker in workers)
    yield Finding(
        "gateway",
        "good" if same else "bad",
        f"{len(workers)} workers at revision {', '.join(sorted(revisions)) or '?'}",
        "" if same else "a worker is down or has an old revision; see its log",
    )
    yield _record(status.get("shipper", {}), time.time())


def _record(said: Mapping[str, Any], now: float) -> Finding:
    """How far the store is behind, as the shipper says. One that says nothing is not well."""
    if now - said.get("written_at", 0) > SILENT:
        return Finding("record", "bad", "the shipper says nothing", "rows wait in the spool; look at the shipper's log")
    lag = said.get("oldest_seconds", 0)
    late = lag > 60
    return Finding(
        "record", "bad" if late else "good", f"the store is {lag:.0f} s behind", "look at the shipper" if late else ""
    )


LOOKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    _interpreter,
    _data_folder,
    _authority,
    _lists_and_policy,
    _statutory,
    *RECORD_LOOKS,
    _running,
)
