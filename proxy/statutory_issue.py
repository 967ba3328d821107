"""The issuer's side of statutory lists: lines and a private key in, a signed bundle out.

Entries are read, hashed and let go: nothing of them is written anywhere, and no message repeats one. A list with a line
that cannot be read is not issued at all: an entry that falls out unnoticed is an address left open.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from categories.names import NameProblem, is_address
from categories.statutory_bundle import Issue, build_bundle, public_key_text
from categories.statutory_forms import Listed, read_entry
from categories.taxonomy import Kind, load_taxonomy
from proxy.privatefile import read_private, write_private

RESERVED = ("test", "example", "invalid", "localhost", "example.com", "example.net", "example.org")
"""Names that are nobody's (RFC 2606, RFC 6761)."""
RESERVED_NETWORKS = tuple(
    map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"))
)
"""Addresses that are nobody's (RFC 5737, RFC 3849)."""
PROBLEMS_SHOWN = 20


class IssueProblem(Exception):
    """A bundle or key that cannot be made: what and why, never what an entry says."""


def make_key(file: Path) -> str:
    """Write a new private key, readable by its owner only; its public key. Raises `IssueProblem`, `OSError`."""
    if file.exists():
        raise IssueProblem(f"{file} is there already; a key is never overwritten")
    private = Ed25519PrivateKey.generate()
    write_private(file, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return public_key_text(private.public_key().public_bytes_raw())


def load_key(file: Path) -> Ed25519PrivateKey:
    """Read a private key. Raises `IssueProblem`, `NotPrivate`, `OSError`."""
    try:
        private = load_pem_private_key(read_private(file), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise IssueProblem(f"{file} is no private key without a passphrase, as `keygen` writes it") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise IssueProblem(f"{file} is no Ed25519 key; make one with `schoolgate statutory keygen`")
    return private


def read_entries(lines: Iterable[str], *, reserved_only: bool) -> list[Listed]:
    """The entries of a plain list: one a line, `#` begins a comment. Raises `IssueProblem` naming every bad line."""
    entries: list[Listed] = []
    problems: list[str] = []
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            entry = read_entry(text)
        except NameProblem as problem:
            problems.append(f"line {number}: {problem}")
            continue
        if reserved_only and not _is_reserved(entry.host):
            problems.append(f"line {number}: its host is not below .test or .example")
        entries.append(entry)
    if problems:
        shown = [*problems[:PROBLEMS_SHOWN], f"and {len(problems) - PROBLEMS_SHOWN} more"]
        raise IssueProblem("\n".join(shown if len(problems) > PROBLEMS_SHOWN else problems))
    return entries


def issue_bundle(entries: Iterable[Listed], issue: Issue, private: Ed25519PrivateKey, file: Path) -> bytes:
    """Sign and write a bundle; its bytes. Raises `IssueProblem`, `BundleProblem`, `OSError`."""
    category = load_taxonomy().get(issue.category)
    if category is None or category.kind is not Kind.STATUTORY:
        known = ", ".join(sorted(name for name, one in load_taxonomy().items() if one.kind is Kind.STATUTORY))
        raise IssueProblem(f"{issue.category!a} is no statutory category; it would be one of {known}")
    raw = build_bundle(entries, issue, private.public_key().public_bytes_raw(), private.sign)
    write_private(file, raw)
    return raw


def _is_reserved(host: str) -> bool:
    if is_address(host):
        address = ipaddress.ip_address(host)
        return any(address in network for network in RESERVED_NETWORKS)
    return any(host == name or host.endswith(f".{name}") for name in RESERVED)
