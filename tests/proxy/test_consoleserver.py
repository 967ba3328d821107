"""`schoolgate console` and its settings: where it listens, what it is called, the links it prints; under `run` too.

Shows: `proxy.commands.console`, `proxy.lineup`, `proxy.consoledoors`, `proxy.reserving`.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy import consoleserver
from proxy.lineup import Ports, line_up
from proxy.settings import ConsoleSettings, Settings, SettingsError, parse_settings
from tests.rig.clients import Browser
from tests.rig.gateway import Gateway
from tests.rig.waiting import wait_for


def test_passwords_travel_encrypted_or_not_at_all() -> None:
    """On the network only with a certificate; the two files belong together."""
    for wrong in ("host: 10.0.0.5", "host: 0.0.0.0", "certificate: c.pem", "key: k.pem", "host: console.example"):
        with pytest.raises(SettingsError, match=r"unencrypted|belong together"):
            parse_settings(f"console: {{{wrong}}}", "s.yaml")
    told = parse_settings("console: {host: 10.0.0.5, certificate: c.pem, key: k.pem}", "s.yaml").console
    assert told.certificate == Path("c.pem")


def test_it_answers_to_its_own_names_only() -> None:
    told = ConsoleSettings(names=("Console.School.Internal",), host="127.0.0.1")
    names = consoleserver.hosts(Settings(console=told))
    assert names == {"localhost", "127.0.0.1", "::1", "console.school.internal"}
    assert consoleserver.address(Settings(console=told), 8081) == "http://Console.School.Internal:8081"


def test_a_link_for_the_first_account_and_one_to_choose_a_password_again(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data")
    link = consoleserver.fresh_link(settings, None)
    assert link is not None
    assert re.fullmatch(r"http://127\.0\.0\.1:8081/first\?key=[\w-]{43}", link)
    assert consoleserver.fresh_link(settings, "nobody") is None


def test_a_gateway_has_a_console_unless_told_otherwise(tmp_path: Path) -> None:
    ports = Ports(8080, 8082, 8081)
    there = line_up(Settings(data=tmp_path), [], ports, tmp_path, tmp_path)
    assert [child.name for child in there][:3] == ["shipper", "console", "worker0"]
    without = Settings(data=tmp_path, console=ConsoleSettings(enabled=False))
    assert "console" not in [child.name for child in line_up(without, [], ports, tmp_path, tmp_path)]


@pytest.mark.e2e
def test_under_run_it_prints_the_link_serves_and_is_not_reached_through_the_proxy(
    make_gateway: Callable[..., Gateway],
) -> None:
    """Started beside the shipper; killed, it comes back; through the gateway nobody gets there, whatever the name."""
    open_door = {"private_destinations": ["127.0.0.1", "localhost"], "connect_ports": [443, 8081]}
    gateway = make_gateway({"console": {"enabled": True}, "proxy": open_door}).start()
    here = f"http://127.0.0.1:{gateway.console_port}"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{here}/sign-in", timeout=5) as page:
                return b"Sign in" in page.read()
        except OSError:
            return False

    wait_for(answers, "the console to answer", seconds=40)
    assert re.search(rf"Make the first one, within the hour: {here}/first\?key=[\w-]{{43}}", gateway.output)
    with pytest.raises(urllib.error.HTTPError, match="421"):
        urllib.request.urlopen(urllib.request.Request(f"{here}/sign-in", headers={"Host": "evil.example"}), timeout=5)
    with Browser(gateway) as browser:
        for name in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "127.1"):
            answer = browser.fetch(f"http://{name}:{gateway.console_port}/sign-in")
            assert answer.status == 403, name
            assert "authenticator" not in answer.text
        assert browser.fetch(f"https://127.0.0.1:{gateway.console_port}/sign-in").status in {403, 502}
    gateway.kill_one("console")
    wait_for(answers, "the console to come back", seconds=40)
    done = gateway.command("console", "--link")
    assert done.returncode == 0
    assert done.stdout.startswith("http://127.0.0.1:")
    gateway.stop()
