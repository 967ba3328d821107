"""A school office for tests of statutory lists: two issuers, their files, settings that name them, and a keeper."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from categories.names import canonical_url
from categories.statutory import PREFIX
from proxy.statutory import Keeper
from proxy.statutory_settings import StatutorySettings, StatutorySource
from proxy.statutory_state import Standing
from tests.categories.statutory_rig import NOW, Issuer
from tests.policy.lists import PlainIndex

LISTED = {"iwf": "http://filehost.test/listed", "ctiru": "http://terror.test/"}


class Office:
    """A data folder, a drop folder, and who fills it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.drop = folder / "drop"
        self.data.mkdir()
        self.drop.mkdir()
        self.issuers = {"iwf": Issuer(), "ctiru": Issuer()}
        self.categories = {"iwf": "child-abuse", "ctiru": "terrorism"}
        self.entries = {"iwf": ("filehost.test/listed", "bad-host.test"), "ctiru": ("terror.test",)}
        self.keeper = Keeper(self.data)

    def file(self, name: str) -> Path:
        """Where the bundles of a list are put."""
        return self.drop / f"{name}.bundle"

    def put(self, name: str, sequence: int = 1, created: datetime = NOW, **more: Any) -> bytes:
        """Put the next bundle of a list in its place."""
        issue = {"entries": self.entries[name], "category": self.categories[name], **more}
        raw = self.issuers[name].issue(sequence=sequence, created=created, **issue)
        self.file(name).write_bytes(raw)
        return raw

    def put_all(self, sequence: int = 1, created: datetime = NOW) -> None:
        """Put both."""
        for name in self.issuers:
            self.put(name, sequence, created)

    def settings(self, *names: str, **more: Any) -> StatutorySettings:
        """Settings that name these lists; both when none is named."""
        sources = [
            StatutorySource(name=name, path=self.file(name), public_key=self.issuers[name].key)
            for name in names or self.issuers
        ]
        return StatutorySettings(**{"sources": tuple(sources), **more})

    def look(self, at: datetime = NOW, settings: StatutorySettings | None = None) -> Standing:
        """One look."""
        return self.keeper.refresh(settings or self.settings(), at)

    def restart(self) -> None:
        """A new process: nothing in memory."""
        self.keeper = Keeper(self.data)

    @property
    def copies(self) -> list[Path]:
        """The copies of what is in force."""
        return sorted((self.data / "statutory").glob("*.bundle"))


def blocked(standing: Standing, name: str) -> bool:
    """Whether a list still blocks what it lists."""
    index = standing.over(PlainIndex({}))
    return any(match.list == PREFIX + name for match in index.match(canonical_url(LISTED[name])))
