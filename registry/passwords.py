"""Which passwords are taken: a password in, its hash or the reasons against it out.

Length, not composition, and none that everybody tries first (NCSC, *Password administration for system owners*;
NIST SP 800-63B, 5.1.1.2). Hashing is slow: done here, before the database is locked.
"""

from __future__ import annotations

import secrets
import unicodedata
from collections.abc import Callable
from typing import NewType

from identity.basic import COST, Cost, hash_password
from registry.change import RegistryError, RegistryProblem

PasswordHash = NewType("PasswordHash", str)
"""A hash of a password that was found good enough; only `new_hash` makes one."""

PUPIL_LENGTH = 8
"""Fewest characters for pupils and class logins: three short words."""
ADULT_LENGTH = 12
"""Fewest characters for everybody else: adults reach more."""
LONGEST = 256
"""Most characters, so that a sign-in fits its header."""
_PUPIL_BANDS = frozenset({"eyfs", "ks1", "ks2", "ks3", "ks4", "ks5"})
_SIGNS = "23456789bcdfghjkmnpqrstvwxz"
"""Letters and digits that are not mistaken for each other; no vowels."""
_TRIED_FIRST = frozenset(
    {"password", "passw0rd", "letmein", "welcome", "iloveyou", "sunshine", "princess", "football", "liverpool"}
    | {"arsenal", "chelsea", "pokemon", "minecraft", "fortnite", "roblox", "superman", "changeme", "default"}
    | {"schoolgate", "school", "teacher", "student", "pupil", "class", "admin", "administrator", "internet", "computer"}
)
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx3edc4rfv")


def password_problems(password: str, *, name: str, band: str | None, shared: bool) -> list[RegistryProblem]:
    """Everything against this password for this account; empty when it is taken."""
    least = PUPIL_LENGTH if shared or band in _PUPIL_BANDS else ADULT_LENGTH
    found = []
    if len(password) < least:
        found.append(("is too short", f"at least {least} characters, such as three words"))
    if len(password) > LONGEST:
        found.append(("is too long", f"at most {LONGEST} characters"))
    if any(unicodedata.category(letter) in {"Cc", "Cs"} for letter in password):
        found.append(("holds a control character", "letters, digits, signs and spaces"))
    if _guessed_first(password, name):
        found.append(("is one that is tried first", "words that have nothing to do with the name or the school"))
    return [RegistryProblem(name, f"the password {what}", instead) for what, instead in found]


def new_hash(password: str, *, name: str, band: str | None, shared: bool, cost: Cost = COST) -> PasswordHash:
    """Hash a password that is good enough. Raises `RegistryError` saying what is against it; never shows it."""
    problems = password_problems(password, name=name, band=band, shared=shared)
    if problems:
        raise RegistryError(*problems)
    return PasswordHash(hash_password(password, cost))


def made_up(choose: Callable[[str], str] = secrets.choice) -> str:
    """A password for somebody else, such as `7kx4-m9tr-wq3h`: 58 bits, and no word in it, rude or otherwise."""
    return "-".join("".join(choose(_SIGNS) for _ in range(4)) for _ in range(3))


def _guessed_first(password: str, name: str) -> bool:
    """True for the account's name, well-known words and runs of keys, also with digits and signs around them."""
    folded = unicodedata.normalize("NFKC", password).casefold()
    core = folded.strip("0123456789!?.*#$-_ ") or folded
    if len(set(folded)) <= 2 or any(core in row or core in row[::-1] for row in _ROWS):
        return True
    return core in _TRIED_FIRST or core == name.strip("0123456789!?.*#$-_ ") or folded == name
