"""Whose hands are on the keyboard: the account of the machine that typed a command, as the audit trail writes it.

The rule: the kernel says it, never a variable. Anybody may set `LOGNAME`; only root may choose among `SUDO_UID`s, and
root can do anything anyhow, so a signature that needs a person is not taken from root (`logstore.holdrelease`).
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path

LOGIN = Path("/proc/self/loginuid")
"""Linux: the account that logged in, through every `su` and `sudo` since; nobody changes it afterwards."""
_UNSET = 2**32 - 1


def typed_by() -> str:
    """The account that typed this; with sudo, the one that asked for it."""
    uid = os.getuid()
    if os.geteuid() == 0:
        uid = _logged_in() or _asked_by_sudo() or uid
    try:
        return f"cli:{pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"cli:uid-{uid}"  # a container's account has no name


def _logged_in() -> int | None:
    try:
        uid = int(LOGIN.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _UNSET else uid


def _asked_by_sudo() -> int | None:
    said = os.environ.get("SUDO_UID", "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 11 else None
