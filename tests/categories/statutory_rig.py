"""Dummy statutory lists for tests: an issuer with a key of their own, and bundles of entries below `.test`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from categories.statutory_bundle import Bundle, Issue, build_bundle, open_bundle, public_key_text
from categories.statutory_forms import read_entry

NOW = datetime(2026, 11, 24, 10, 20, tzinfo=UTC)
"""A Tuesday in term."""
ENTRIES = (
    "bad-host.test",
    "filehost.test/dir/listed-page",
    "filehost.test/view?id=4711",
    "filehost.test/show?album=9&picture=77",
    "gallery.test/secret/*",
    "192.0.2.66",
)
"""What the dummy list holds."""


class Issuer:
    """Somebody who signs lists."""

    def __init__(self) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()
        self.key = public_key_text(self.public)

    def issue(
        self,
        entries: Iterable[str] = ENTRIES,
        *,
        category: str = "child-abuse",
        sequence: int = 1,
        created: datetime = NOW,
        lasts: timedelta = timedelta(days=7),
        purpose: Literal["issue", "test"] = "issue",
        successor: str | None = None,
    ) -> bytes:
        """A signed bundle."""
        issue = Issue(f"Dummy list of {category}", category, sequence, created, created + lasts, purpose, successor)
        return build_bundle(map(read_entry, entries), issue, self.public, self.private.sign)

    def bundle(self, entries: Iterable[str] = ENTRIES, *, category: str = "child-abuse", sequence: int = 1) -> Bundle:
        """A verified bundle."""
        return open_bundle(self.issue(entries, category=category, sequence=sequence), self.public)


ISSUER = Issuer()
"""The issuer most tests use."""
