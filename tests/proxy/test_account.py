"""Whose hands are on the keyboard: the kernel says it, and a variable only where root could have lied anyhow."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys

import pytest

from proxy.account import typed_by
from tests.conftest import REPOSITORY

ROOT = os.geteuid() == 0
AS_DAEMON = """
import os, pwd
from proxy.account import typed_by
os.setuid(pwd.getpwnam("daemon").pw_uid)
print(typed_by())
"""


@pytest.mark.parametrize("variable", ["LOGNAME", "USER", "LNAME", "USERNAME", "SUDO_USER"])
def test_nobody_becomes_the_deputy_by_a_variable(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Variables anybody may set."""
    before = typed_by()
    monkeypatch.setenv(variable, "deputy")
    assert typed_by() == before


@pytest.mark.skipif(not ROOT, reason="only root is asked by others")
@pytest.mark.parametrize(
    ("said", "who"),
    [
        ("1", "cli:daemon"),
        ("4123456", "cli:uid-4123456"),
        ("-1", "cli:root"),
        ("1e3", "cli:root"),
        ("9" * 40, "cli:root"),
    ],
)
def test_sudo_says_who_asked(monkeypatch: pytest.MonkeyPatch, said: str, who: str) -> None:
    """By number; what is no number is nobody."""
    monkeypatch.setenv("SUDO_UID", said)
    assert typed_by() == who


@pytest.mark.skipif(not ROOT, reason="only root can become somebody else")
def test_an_ordinary_account_is_itself_whatever_it_says() -> None:
    """The account `daemon` claims to have been asked by `bin`."""
    told = subprocess.run(
        [sys.executable, "-c", AS_DAEMON],
        env={**os.environ, "SUDO_UID": str(pwd.getpwnam("bin").pw_uid), "LOGNAME": "bin"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.stdout.strip() == "cli:daemon", told.stderr
