"""The unit is valid, hardened, and starts what is installed."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from proxy.settings import parse_settings
from tests.conftest import REPOSITORY
from tests.rig.tools import need

UNIT = REPOSITORY / "deploy" / "systemd" / "schoolgate.service"
LOW_PORT = REPOSITORY / "deploy" / "systemd" / "low-port.conf"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine with Schoolgate installed, as far as systemd looks at it."""
    for place in ("etc/systemd/system", "opt/schoolgate/bin", "usr/lib/systemd/system", "etc/schoolgate"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "etc/systemd/system/schoolgate.service").write_text(UNIT.read_text())
    program = tmp_path / "opt/schoolgate/bin/schoolgate"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in ("network-online.target", "multi-user.target", "basic.target", "shutdown.target", "sysinit.target"):
        (tmp_path / "usr/lib/systemd/system" / name).write_text(f"[Unit]\nDescription={name}\n")
    return tmp_path


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = need("systemd-analyze", "systemd")
    return subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=60)


def with_drop_in(root: Path) -> None:
    folder = root / "etc/systemd/system/schoolgate.service.d"
    folder.mkdir()
    (folder / "low-port.conf").write_text(LOW_PORT.read_text())


@pytest.mark.parametrize("low_port", [False, True], ids=["port 8080", "port 80"])
def test_systemd_finds_no_mistake_in_it(root: Path, low_port: bool) -> None:
    if low_port:
        with_drop_in(root)
    told = analyze("verify", f"--root={root}", "--man=no", "--recursive-errors=no", "schoolgate.service")
    complaints = [line for line in told.stderr.splitlines() if "schoolgate" in line]
    assert complaints == []


@pytest.mark.parametrize(("low_port", "exposure"), [(False, 1.5), (True, 2.5)], ids=["port 8080", "port 80"])
def test_systemd_rates_its_exposure_low(root: Path, low_port: bool, exposure: float) -> None:
    """0 is best, 10 is worst; a service nobody hardened has 9.6."""
    if low_port:
        with_drop_in(root)
    told = analyze("security", "--offline=true", f"--root={root}", "--no-pager", "schoolgate.service")
    level = re.search(r"Overall exposure level[^:]*: ([0-9.]+)", told.stdout)
    assert level is not None, told.stderr
    assert float(level[1]) <= exposure


def test_only_a_port_below_1024_needs_a_capability() -> None:
    def capabilities(file: Path) -> list[str]:
        return re.findall(r"^(?:CapabilityBoundingSet|AmbientCapabilities)=(.*)$", file.read_text(), re.M)

    assert capabilities(UNIT) == ["", ""]
    assert capabilities(LOW_PORT) == ["CAP_NET_BIND_SERVICE", "CAP_NET_BIND_SERVICE"]


def test_the_limits_a_busy_gateway_needs_are_set() -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    service = parser["Service"]
    assert int(service["LimitNOFILE"]) >= 65536
    assert service["UMask"] == "0077"
    assert service["Restart"] == "always"
    assert service["ProtectSystem"] == "strict"
    assert "MemoryDenyWriteExecute" not in service


def test_a_callback_of_the_tls_library_needs_writable_code() -> None:
    """Why the unit has no MemoryDenyWriteExecute. When this starts to pass without an error, add it."""
    code = (
        "import ctypes; assert ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0\n"
        "from OpenSSL import SSL; SSL.Context(SSL.TLS_METHOD).set_alpn_select_callback(lambda c, p: p[0])"
    )
    import sys

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    if "AssertionError" in told.stderr:
        pytest.skip("this kernel has no PR_SET_MDWE")
    assert "Cannot allocate write+execute memory" in told.stderr


@pytest.mark.parametrize("file", ["deploy/schoolgate.yaml", "deploy/container/schoolgate.yaml"])
def test_the_settings_that_come_with_it_are_valid(file: str) -> None:
    settings = parse_settings((REPOSITORY / file).read_text("utf-8"), file)
    assert settings.data.is_absolute()
    assert settings.proxy.host == "0.0.0.0"


def test_unit_and_settings_agree_on_the_places() -> None:
    unit = UNIT.read_text()
    settings = parse_settings((REPOSITORY / "deploy/schoolgate.yaml").read_text(), "schoolgate.yaml")
    assert f"ReadWritePaths={settings.data}" in unit
    assert "--settings /etc/schoolgate/schoolgate.yaml run" in unit
