"""From settings to the parts: policy, lists, engine, people.

The one place where rooms are put together; every process and every command uses these functions, so that what
`explain` says is what the worker does.
"""

from __future__ import annotations

import contextlib
import importlib.resources
import os
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from addons.destinations import Destinations, read_destinations
from categories.index import CompiledIndex
from categories.model import Index
from categories.snapshot import SnapshotReport, build_snapshot, open_snapshot, snapshot_is_current
from categories.sources import ListSource, starter_sources
from categories.stored import CURRENT
from categories.taxonomy import Category, FourC, Kind, Taxonomy, load_taxonomy
from identity.directory import Directory, Place
from identity.overlay import read_overlay
from policy.engine import Engine
from policy.rows import Policy
from policy.rules import load_policy
from proxy.control import answers
from proxy.decided import Parts, open_decided, put_together
from proxy.outbound import own_addresses
from proxy.settings import PlaceSettings, Settings
from proxy.sourcestore import fetched_sources
from proxy.statutory import standing_for

PRESET = "trust.yaml"
"""The policy in force when the school has written none."""


def list_sources(settings: Settings, versions: Mapping[str, Path] | None = None) -> tuple[ListSource, ...]:
    """Every list the settings and the register put in force; `versions` of the register's are tried instead."""
    starter = starter_sources() if settings.starter_lists else ()
    return (
        *starter,
        *(
            ListSource(
                name=item.name,
                path=item.path,
                format=item.format,
                category=item.category,
                categories=dict(item.categories),
                url_match=item.url_match,
                exclude=item.exclude,
                limit=item.limit,
                apply_to=item.apply_to,
            )
            for item in settings.lists
        ),
        *fetched_sources(settings, versions),
    )


def lists_folder(settings: Settings) -> Path:
    """Where compiled lists live."""
    return settings.data / "lists"


def compile_lists(settings: Settings, *, force: bool = False) -> SnapshotReport | None:
    """Compile the lists when a source changed since; None when the snapshot is current."""
    sources = list_sources(settings)
    folder = lists_folder(settings)
    if not force and snapshot_is_current(folder, sources):
        return None
    folder.mkdir(parents=True, exist_ok=True)
    return build_snapshot(sources, folder, load_taxonomy())


def open_index(settings: Settings) -> CompiledIndex:
    """The lists in force. Where no gateway runs, they are compiled first when stale. Raises `SnapshotError`.

    A running gateway's lists are only ever changed by `schoolgate lists update` and `schoolgate reload`, checked.
    """
    if not (answers(settings.data) and (lists_folder(settings) / CURRENT).exists()):
        compile_lists(settings)
    return open_snapshot(lists_folder(settings))


def open_policy(settings: Settings, categories: Mapping[str, Category]) -> Policy:
    """The policy in force. Raises `PolicyErrors` or `OSError`."""
    text, file = policy_text(settings)
    return load_policy(text, file=file, categories=categories)


def policy_text(settings: Settings) -> tuple[str, str]:
    """The policy's text and the name of its file."""
    if settings.policy_file is not None:
        return settings.policy_file.read_text(encoding="utf-8"), str(settings.policy_file)
    preset = importlib.resources.files("policy") / "presets" / PRESET
    return preset.read_text(encoding="utf-8"), f"preset {PRESET}"


def known_categories(taxonomy: Taxonomy, index: Index) -> Mapping[str, Category]:
    """Every category a rule may name: the taxonomy's, and those only a list of the school's own has."""
    return with_own(taxonomy, own_categories(taxonomy, index))


def own_categories(taxonomy: Taxonomy, index: Index) -> frozenset[str]:
    """Categories that only a list of the school's own has."""
    return frozenset(name for name in index.categories if name not in taxonomy)


def with_own(taxonomy: Taxonomy, own: frozenset[str]) -> Mapping[str, Category]:
    """The taxonomy with categories of the school's own."""
    return {**taxonomy, **{name: _own(name) for name in sorted(own)}}


def _own(name: str) -> Category:
    title = name.replace("-", " ").capitalize()
    return Category(name, title, title.lower(), Kind.OWN, FourC.NONE, (), "A category of the school's own lists.")


def open_parts(settings: Settings) -> Parts:
    """Lists and policy as they are on disk. Raises what they raise; nothing is half built."""
    index = open_index(settings)
    policy = open_policy(settings, known_categories(load_taxonomy(), index))
    return Parts(index, policy, standing_for(settings, datetime.now(UTC)))


def open_engine(settings: Settings) -> Engine:
    """The engine of lists, policy and one-click decisions, checked. Raises what its parts raise."""
    return put_together(open_parts(settings), open_decided(settings), datetime.now(UTC))


def open_directory(settings: Settings) -> Directory:
    """The people in force: the overlay when there is one, else only the settings' places."""
    overlay = settings.data / "overlay" / "overlay.msgpack"
    if overlay.exists():
        return read_overlay(overlay).directory
    return Directory({}, places(settings.identity.places), "none")


def places(told: Iterable[PlaceSettings]) -> tuple[Place, ...]:
    """The settings' places as values."""
    return tuple(
        Place(
            network=item.network,
            site=item.site,
            device=item.device,
            groups=frozenset(item.groups),
            band=item.band,
            shared=item.shared,
        )
        for item in told
    )


def destinations(settings: Settings, own_ports: Iterable[int]) -> Destinations:
    """Where the gateway may connect to. Raises `DestinationMistake`."""
    return read_destinations(
        settings.proxy.private_destinations,
        settings.proxy.hosts,
        own_ports=own_ports,
        own_addresses=own_addresses(),
        own_names=settings.proxy.names,
    )


def shared_secret(settings: Settings) -> bytes:
    """The secret that signs the buttons of warning pages: made once, readable by us only."""
    file = settings.data / "run" / "secret"
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        fresh = file.with_suffix(f".{os.getpid()}.new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(32))
        with contextlib.suppress(FileExistsError):
            os.link(fresh, file)  # whoever is first wins, and nobody ever reads half of it
        fresh.unlink()
    return file.read_bytes()
