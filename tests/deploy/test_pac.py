"""The PAC file, run by a real JavaScript engine: everything through the gateways, only what is named goes past."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.pac import PacProblem, main, pac
from tests.conftest import REPOSITORY
from tests.rig.tools import need

GATEWAYS = ("gateway.school.example:8080", "10.1.0.2:8080")
DIRECT = ("gateway.school.example", "intranet.school.example", "10.20.0.0/16", "192.168.7.4")
THROUGH = "PROXY gateway.school.example:8080; PROXY 10.1.0.2:8080"


@pytest.fixture(scope="module")
def ask() -> Callable[[str, list[str]], list[str]]:
    """Put hosts to a PAC file in Node, with no PAC helper defined: it must not need any."""
    node = need("node", "nodejs")

    def run(text: str, hosts: list[str]) -> list[str]:
        script = (
            "const vm = require('vm'); const [text, hosts] = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
            "const box = vm.createContext({}); vm.runInContext(text, box, {timeout: 2000});"
            "console.log(JSON.stringify(hosts.map(host => box.FindProxyForURL('https://' + host + '/', host))));"
        )
        told = subprocess.run([node, "-e", script], input=json.dumps([text, hosts]), capture_output=True, text=True)
        assert told.returncode == 0, told.stderr
        answers: list[str] = json.loads(told.stdout)
        return answers

    return run


@pytest.mark.parametrize(
    ("host", "answer"),
    [
        ("www.example.org", THROUGH),
        ("WWW.EXAMPLE.ORG", THROUGH),
        ("8.8.8.8", THROUGH),
        ("intranet", THROUGH),
        ("notintranet.school.example", THROUGH),
        ("intranet.school.example.evil.example", THROUGH),
        ("school.example", THROUGH),
        ("10.21.0.1", THROUGH),
        ("192.168.7.5", THROUGH),
        ("10.20.999.1", THROUGH),
        ("10.20.0.1.example.org", THROUGH),
        ("2001:db8::1", THROUGH),
        ("0x7f.0.0.1", THROUGH),
        ("", THROUGH),
        ("intranet.school.example", "DIRECT"),
        ("www.Intranet.School.example.", "DIRECT"),
        ("gateway.school.example", "DIRECT"),
        ("10.20.255.255", "DIRECT"),
        ("192.168.7.4", "DIRECT"),
        ("localhost", "DIRECT"),
        ("127.0.0.1", "DIRECT"),
        ("[::1]", "DIRECT"),
    ],
)
def test_where_a_browser_goes(ask: Callable[[str, list[str]], list[str]], host: str, answer: str) -> None:
    assert ask(pac(GATEWAYS, DIRECT), [host]) == [answer]


def test_the_internet_is_never_direct(ask: Callable[[str, list[str]], list[str]]) -> None:
    """With every gateway down devices are offline, not unfiltered."""
    hosts = [f"host-{number}.example" for number in range(50)] + ["1.1.1.1", "9.9.9.9"]
    assert set(ask(pac(GATEWAYS), hosts)) == {THROUGH}


@pytest.mark.parametrize(
    ("gateways", "direct", "says"),
    [
        ([], [], "no gateway"),
        (["gateway.school.example"], [], "is not host:port"),
        (["gateway.school.example:0"], [], "is not host:port"),
        (["gateway.school.example:99999"], [], "is not host:port"),
        (["gate way:8080"], [], "gate way"),
        (list(GATEWAYS), ["10.0.0.0/99"], "is not a network"),
        (list(GATEWAYS), ["2001:db8::/32"], "IPv4"),
        (list(GATEWAYS), ['a";alert(1);"'], "alert"),
    ],
)
def test_what_a_pac_file_cannot_say_is_refused(gateways: list[str], direct: list[str], says: str) -> None:
    with pytest.raises(PacProblem, match=says):
        pac(gateways, direct)


@given(st.text(max_size=30))
def test_no_name_gets_out_of_its_string(text: str) -> None:
    """Whatever is named, the file has only the statements of the template."""
    try:
        made = pac(GATEWAYS, [text])
    except PacProblem:
        return
    template = (REPOSITORY / "deploy" / "proxy.pac.template").read_text()
    assert made.count("\n") == template.count("\n")
    line = next(line for line in made.splitlines() if line.startswith("var directNames"))
    json.loads(line.removeprefix("var directNames = ").removesuffix(";"))


def test_the_settings_name_the_gateway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "schoolgate.yaml"
    file.write_text("proxy: {names: [gw.school.example], port: 3128}\n")
    assert main(["--settings", str(file), "--direct", "10.0.0.0/8"]) == 0
    made = capsys.readouterr().out
    assert made == pac(["gw.school.example:3128"], ["gw.school.example", "10.0.0.0/8"])


def test_without_a_name_it_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "schoolgate.yaml"
    file.write_text("proxy: {port: 3128}\n")
    assert main(["--settings", str(file)]) == 1
    assert "name at least one as host:port" in capsys.readouterr().err


def test_it_runs_as_a_script() -> None:
    told = subprocess.run(
        [sys.executable, REPOSITORY / "deploy" / "pac.py", "--gateway", GATEWAYS[0]],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    assert told.returncode == 0, told.stderr
    assert "function FindProxyForURL(url, host)" in told.stdout
