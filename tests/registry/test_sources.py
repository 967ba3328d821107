"""Sources of lists in the register: what may be added, and that the overlay keeps every word."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from registry.change import By, RegistryError
from registry.sources import Source, add, facts, pack, remove, sources, unpack
from tests.categories.signing import public_key
from tests.registry.conftest import AT, OFFICE, trail

GAMES = Source("games-plus", "https://lists.example/games.txt", "domains", "games", timedelta(hours=24), licence="MIT")


KEY = public_key(Ed25519PrivateKey.from_private_bytes(bytes(32)))


def test_added_and_removed(connection: Connection) -> None:
    signed = replace(
        GAMES, name="signed", key=KEY, signature_url="https://lists.example/games.sig", url_match="parents",
        limit=160, apply_to=("search", "page"), max_bytes=1_000_000,
    )  # fmt: skip
    assert add(connection, signed, OFFICE) in sources(connection)
    remove(connection, "signed", OFFICE)
    added = add(connection, GAMES, OFFICE)
    assert sources(connection) == [added]
    assert (added.source, added.why) == (GAMES, OFFICE.why)
    remove(connection, "games-plus", OFFICE)
    assert sources(connection) == []
    assert trail(connection)[2:] == [
        ("office", "list.add", "games-plus", None, facts(GAMES)),
        ("office", "list.remove", "games-plus", facts(GAMES), None),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "Games!"}, "no name for a list"),
        ({"name": "starter"}, "another list"),
        ({"name": "taken"}, "another list"),
        ({"name": "../x"}, "no name for a list"),
        ({"location": "ftp://lists.example/x"}, "cannot be fetched"),
        ({"location": "relative/path"}, "cannot be fetched"),
        ({"location": "https://user:secret@lists.example/x"}, "holds a password"),
        ({"location": "https:///x"}, "names no host"),
        ({"checksum_url": "/etc/passwd"}, "cannot be fetched"),
        ({"sha256": "abc"}, "no SHA-256"),
        ({"format": "excel"}, "no format"),
        ({"every": timedelta(minutes=1)}, "too often"),
        ({"key": "RWnonsense"}, "key cannot be used"),
        ({"signature_url": "https://lists.example/games.sig"}, "no key"),
        ({"signature_url": "ftp://x/y", "key": KEY}, "cannot be fetched"),
        ({"url_match": "folders"}, "no way to compare URLs"),
        ({"apply_to": ("search", "email")}, "cannot be looked for in email"),
        ({"apply_to": ()}, "cannot be looked for in nothing"),
        ({"limit": 0}, "a limit of 0"),
        ({"max_bytes": 0}, "no size"),
        ({"max_bytes": 1 << 40}, "no size"),
    ],
)
def test_what_cannot_be_added(connection: Connection, change: dict[str, object], says: str) -> None:
    with pytest.raises(RegistryError, match=says):
        add(connection, replace(GAMES, **change), OFFICE, taken=["taken"])  # type: ignore[arg-type]


def test_a_reason_is_needed_and_a_name_is_taken_once(connection: Connection) -> None:
    with pytest.raises(RegistryError, match="needs a reason"):
        add(connection, GAMES, By("office", AT))
    add(connection, GAMES, OFFICE)
    with pytest.raises(RegistryError, match="another list"):
        add(connection, GAMES, OFFICE)
    with pytest.raises(RegistryError, match="added by command: games-plus"):
        remove(connection, "other", OFFICE)


def test_the_overlay_keeps_every_word() -> None:
    full = replace(GAMES, sha256="a" * 64, checksum_url="https://lists.example/SUMS", category=None, every=None)
    signed = replace(GAMES, key=KEY, signature_url="https://lists.example/games.sig", limit=160, apply_to=("page",))
    assert unpack([pack(signed), pack(full)[:8]]) == (signed, full)
    assert unpack([[*pack(GAMES), "later"], pack(full)]) == (GAMES, full)
    with pytest.raises(ValueError, match="unpack"):
        unpack([["games-plus"]])
