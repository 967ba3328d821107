"""What the certificate page hands out: the files of the CA in force, and of the next one while it waits."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxy.ca import create_ca, fingerprint_of, trusted_certificate
from proxy.cahandout import handed_out

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)


def test_the_next_one_is_handed_out_without_a_restart(tmp_path: Path) -> None:
    """Devices must trust it before it signs; whoever opens the page that day sees both."""
    folder = tmp_path / "ca"
    create_ca(folder, name="Filter", at=NOW)
    handout = handed_out(folder, "CA.Schoolgate.Internal.")
    assert handout.host == "ca.schoolgate.internal"
    assert list(handout.certificates()) == [""]
    create_ca(folder / "next", name="Filter 2026-11-21", at=NOW)
    told = handout.certificates()
    assert {which: one.fingerprint for which, one in told.items()} == {
        "": fingerprint_of(trusted_certificate(folder)),
        "next": fingerprint_of(trusted_certificate(folder / "next")),
    }


def test_every_file_has_a_plain_name_of_its_own_and_no_key(tmp_path: Path) -> None:
    """The name goes into a header."""
    create_ca(tmp_path / "ca", name="Filter", at=NOW)
    devices = handed_out(tmp_path / "ca", "ca.test").certificates()[""].devices
    assert all(re.fullmatch(r"[a-z.-]+", device.file) for device in devices.values())
    assert len({device.file for device in devices.values()}) == len(devices)
    assert not [kind for kind, device in devices.items() if b"PRIVATE" in device.data or not device.steps]


@pytest.mark.parametrize("host", ["", "ca.test"])
def test_no_name_no_page(tmp_path: Path, host: str) -> None:
    """An empty name in the settings."""
    assert handed_out(tmp_path, host).host == host
