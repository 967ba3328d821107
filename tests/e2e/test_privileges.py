"""`make run` on a stranger's machine: no privilege, and nothing written outside the clone and its data folder."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.clients import curl
from tests.rig.gateway import Gateway
from tests.rig.tools import missing, need

pytestmark = pytest.mark.e2e
NO_PRIVILEGE = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")
READ_ONLY = (
    'mount --bind "$0" "$0" && mount -o remount,bind,ro / && '
    'for place in /tmp /var/tmp /run /dev/shm /home /root; do mountpoint -q "$place" && '
    'mount -o remount,bind,ro "$place"; done; exec "$@"'
)
"""In a mount namespace of its own: the whole machine read-only but for one folder."""


def allowed(words: tuple[str, ...], what: str) -> tuple[str, ...]:
    """The words, when this machine lets us use them; skips otherwise."""
    need(words[0], "util-linux")
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        missing(f"permission to {what}", "none: needs root")
    return words


def without_privilege() -> tuple[str, ...]:
    """Words that drop every capability, for good."""
    return allowed(("setpriv", *NO_PRIVILEGE), "drop capabilities")


def test_it_runs_without_a_single_capability(make_gateway: Callable[..., Gateway], name: str) -> None:
    gateway = make_gateway(prefix=without_privilege()).start()
    status = Path(f"/proc/{gateway.family()[0].pid}/status").read_text()
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    assert curl(gateway, f"https://{name}/page").status == 200
    assert curl(gateway, "https://blocked.example/").status == 403
    gateway.wait_for_rows(1, host=name)
    assert gateway.stop() == 0


def test_it_needs_to_write_nothing_outside_its_own_folder(
    make_gateway: Callable[..., Gateway], name: str, tmp_path: Path
) -> None:
    """Root file system, home and temporary folders read-only, no home, no privilege: everything still works."""
    folder = allowed(("unshare", "--mount", "sh", "-c", READ_ONLY, str(tmp_path)), "mount")
    probe = subprocess.run([*folder, "touch", "/tmp/schoolgate-probe"], capture_output=True, check=False)
    assert probe.returncode != 0, "the cage is open"
    gateway = make_gateway(prefix=(*folder, *without_privilege()), environment={"HOME": "/nonexistent"}).start()
    assert curl(gateway, f"https://{name}/page").status == 200
    assert curl(gateway, "https://www.roblox.com/", source="127.0.1.10").status == 403
    gateway.wait_for_rows(1, host=name)
    assert "Read-only file system" not in gateway.output
    assert "Traceback" not in gateway.output
    assert gateway.stop() == 0
