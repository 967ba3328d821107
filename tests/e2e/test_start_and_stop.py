"""Starting, reloading and stopping: with bad files, with missing files, and leaving nothing behind.

Shows: `proxy.supervisor`, `proxy.firstrun`, `proxy.inforce`, `proxy.hints`, `proxy.control`, `proxy.assembly`,
`proxy.troubles`, `proxy.privatefile`, `proxy.commands.run`, `proxy.commands.reload`, `proxy.commands.worker`,
`proxy.reserving`.
"""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.rig.clients import Browser, Raw, curl
from tests.rig.gateway import POLICY, YEAR_4, Gateway, listening
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e
Make = Callable[..., Gateway]


def ended(gateway: Gateway, seconds: float = 40) -> int:
    """Launch and wait for the end; its exit code."""
    gateway.launch()
    assert gateway.process is not None
    try:
        return gateway.process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"still running:\n{gateway.output}") from None


# -- stopping ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "systemd"])
def test_stopping_leaves_no_port_no_process_and_no_unwritten_row(make_gateway: Make, name: str, how: int) -> None:
    gateway = make_gateway({"proxy": {"workers": 2}}).start()
    with Browser(gateway) as browser:
        for number in range(40):
            assert browser.fetch(f"http://{name}/page?n={number}").status == 200
    if how == signal.SIGINT:
        assert gateway.stop() == 0
    else:
        family = gateway.family()
        assert gateway.process is not None
        gateway.process.terminate()
        assert gateway.process.wait(30) == 0
        wait_for(lambda: not any(process.is_running() for process in family), "every process to end")
    assert not listening(gateway.port)
    assert not listening(gateway.metrics_port)
    assert len(gateway.rows(host=name)) == 40, "rows are in the store when the command has ended"
    assert not list((gateway.data / "run").glob("*.pid"))


def test_a_download_under_way_is_finished_before_the_end(make_gateway: Make, name: str) -> None:
    """Connections drain for a bounded time."""
    gateway = make_gateway({"proxy": {"drain": 10}}).start()
    with Raw(gateway) as raw:
        raw.send(
            f"GET http://{name}/slow?pieces=20&pause=0.1 HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode()
        )
        assert raw.read_head().startswith(b"HTTP/1.1 200")
        assert gateway.process is not None
        gateway.interrupt()
        assert len(raw.read_all()) == 200
    assert gateway.process.wait(15) == 0
    (row,) = gateway.rows(host=name)
    assert row["ending"] == "response"


def test_a_connection_that_never_ends_does_not_keep_it_from_stopping(make_gateway: Make, name: str) -> None:
    gateway = make_gateway({"proxy": {"drain": 1}}).start()
    with Raw(gateway) as idle, Raw(gateway) as radio:
        idle.send(b"GET http://")
        radio.send(f"GET http://{name}/slow?pieces=600&pause=0.1 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert radio.read_head().startswith(b"HTTP/1.1 200")
        assert gateway.stop(seconds=15) == 0
    (row,) = gateway.rows(host=name)
    assert row["ending"] in ("aborted", "interrupted", "error")


def test_ctrl_c_while_starting_stops_it(make_gateway: Make) -> None:
    gateway = make_gateway()
    gateway.launch()
    assert gateway.process is not None
    wait_for(lambda: gateway.data.exists() or gateway.process.poll() is not None, "the start to begin")
    gateway.interrupt()
    assert gateway.process.wait(20) in (0, 130, -signal.SIGINT)
    assert not gateway.family()


def test_it_starts_again_where_it_stopped(make_gateway: Make, name: str) -> None:
    """The same CA, the same rows, no second migration, no second compile."""
    gateway = make_gateway().start()
    curl(gateway, f"https://{name}/page?run=1")
    assert gateway.stop() == 0
    before = gateway.ca_cert.read_bytes()
    gateway.start()
    curl(gateway, f"https://{name}/page?run=2")
    assert gateway.ca_cert.read_bytes() == before
    rows = gateway.wait_for_rows(2, host=name)
    assert [row["query"] for row in rows] == ["run=2", "run=1"]


# -- starting ----------------------------------------------------------------------------------------------------------


def test_the_first_run_makes_everything_it_needs_and_keeps_it_private(make_gateway: Make) -> None:
    gateway = make_gateway().start()
    for part in ("ca/ca.pem", "ca/ca-cert.pem", "lists", "spool", "store/catalog.db", "run/ports.json"):
        assert (gateway.data / part).exists(), part
    for secret in ("ca/ca.pem", "store/catalog.db"):
        mode = stat.S_IMODE((gateway.data / secret).stat().st_mode)
        assert mode & 0o077 == 0, f"{secret} is {mode:o}"
    assert "PRIVATE KEY" not in gateway.ca_cert.read_text()
    assert json.loads((gateway.data / "run" / "ports.json").read_text())["proxy"] == gateway.port


def test_it_prints_lines_to_try_and_they_work(make_gateway: Make) -> None:
    gateway = make_gateway().start()
    output = wait_for(lambda: gateway.output if "curl" in gateway.output else "", "the lines to try")
    assert str(gateway.port) in output
    assert "ca-cert.pem" in output
    assert "log search" in output
    assert "explain" in output


def test_a_port_in_use_is_said_and_ends_it(make_gateway: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = make_gateway({"proxy": {"port": port}})
        assert ended(gateway) not in (0, None)
    assert str(port) in gateway.output
    assert "Traceback" not in gateway.output


BROKEN_SETTINGS = {
    "unknown key": ("proxi: {}", "did you mean 'proxy'"),
    "unknown key inside": ("proxy: {prot: 8080}", "did you mean 'port'"),
    "wrong type": ("proxy: {port: eighty}", "proxy.port"),
    "not YAML": ("proxy: [", "YAML"),
    "bad network": ("identity: {places: [{network: 10.0.0.0/99, site: x}]}", "network"),
    "bad destination": ("proxy: {private_destinations: ['10.0.0.1:http']}", "10.0.0.1:http"),
}


@pytest.mark.parametrize(("text", "said"), BROKEN_SETTINGS.values(), ids=BROKEN_SETTINGS.keys())
def test_broken_settings_are_refused_with_place_and_advice(make_gateway: Make, text: str, said: str) -> None:
    gateway = make_gateway()
    gateway.file.write_text(text + "\n")
    assert ended(gateway) in (1, 2)
    assert said in gateway.output
    assert "Traceback" not in gateway.output


def test_an_unreadable_policy_is_refused_at_the_start(make_gateway: Make) -> None:
    gateway = make_gateway()
    policy = gateway.folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("what: [games]", "what: [gamez]"))
    assert ended(gateway) in (1, 2)
    line = next(n for n, text in enumerate(policy.read_text().splitlines(), 1) if "gamez" in text)
    assert f"policy.yaml:{line}" in gateway.output
    assert "games" in gateway.output
    assert "Traceback" not in gateway.output


def test_a_missing_policy_that_the_settings_name_is_refused(make_gateway: Make) -> None:
    gateway = make_gateway()
    (gateway.folder / "policy.yaml").unlink()
    assert ended(gateway) in (1, 2)
    assert "policy.yaml" in gateway.output


@pytest.mark.parametrize("what", ["gone", "garbage", "readable by all"])
def test_a_ca_that_was_there_is_never_replaced_unasked(make_gateway: Make, what: str) -> None:
    """A new CA would be trusted by no device: the school would be dark. Say so instead (reference finding 6)."""
    gateway = make_gateway().start()
    assert gateway.stop() == 0
    key = gateway.data / "ca" / "ca.pem"
    public = gateway.ca_cert.read_bytes()
    if what == "gone":
        key.unlink()
    elif what == "garbage":
        key.write_text("not a key")
    else:
        key.chmod(0o644)
    assert ended(gateway) in (1, 2)
    assert "ca.pem" in gateway.output
    assert "Traceback" not in gateway.output
    assert gateway.ca_cert.read_bytes() == public


def snapshots(gateway: Gateway) -> list[Path]:
    """Files of the compiled lists."""
    return [file for file in (gateway.data / "lists").rglob("*") if file.is_file() and file.stat().st_size > 0]


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied"])
def test_a_corrupt_snapshot_is_made_anew_never_believed(make_gateway: Make, damage: str) -> None:
    gateway = make_gateway().start()
    assert gateway.stop() == 0
    for file in snapshots(gateway):
        data = bytearray(file.read_bytes())
        if damage == "cut":
            file.write_bytes(data[: len(data) // 2])
        elif damage == "emptied":
            file.write_bytes(b"")
        else:
            data[len(data) // 2] ^= 0xFF
            file.write_bytes(data)
    gateway.start()
    assert curl(gateway, "https://www.roblox.com/", source=YEAR_4).status == 403
    assert curl(gateway, "https://www.roblox.com/").status == 200


def test_two_gateways_do_not_share_a_data_folder(make_gateway: Make) -> None:
    first = make_gateway().start()
    done = first.command("run", seconds=30)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert curl(first, "https://blocked.example/").status == 403


# -- reloading ---------------------------------------------------------------------------------------------------------


def test_a_new_policy_takes_effect_on_open_connections(make_gateway: Make, name: str) -> None:
    """Design §5.12: no connection and no record is dropped."""
    gateway = make_gateway({"proxy": {"workers": 2}}).start()
    policy = gateway.folder / "policy.yaml"
    with Browser(gateway) as browser:
        assert browser.fetch(f"https://{name}/page?n=1").status == 200
        policy.write_text(POLICY.read_text().replace("host:blocked.example", f"host:blocked.example, host:{name}"))
        done = gateway.command("reload")
        assert done.returncode == 0, done.stderr
        assert browser.fetch(f"https://{name}/page?n=2").status == 403
        policy.write_text(POLICY.read_text())
        assert gateway.command("reload").returncode == 0
        assert browser.fetch(f"https://{name}/page?n=3").status == 200
    rows = gateway.wait_for_rows(3, host=name)
    assert [row["blocked"] for row in rows] == [False, True, False]
    assert len({row["revision"] for row in rows}) == 2


BAD_POLICIES = {
    "unknown category": ("what: [games]", "what: [gamez]", "games"),
    "unknown band": ("band: ks2", "band: ks9", "ks"),
    "not YAML": ("policies:", "policies: [", "YAML"),
    "unknown action": ("action: warn", "action: wran", "warn"),
}


@pytest.mark.parametrize(("old", "new", "said"), BAD_POLICIES.values(), ids=BAD_POLICIES.keys())
def test_a_bad_policy_leaves_the_old_one_at_work(
    make_gateway: Make, origin: Origin, old: str, new: str, said: str
) -> None:
    """Design §5.4: refused with file, line and a suggestion; the old one stays."""
    gateway = make_gateway().start()
    policy = gateway.folder / "policy.yaml"
    policy.write_text(POLICY.read_text().replace(old, new))
    done = gateway.command("reload")
    assert done.returncode == 1
    assert "policy.yaml:" in done.stderr + done.stdout
    assert said in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert curl(gateway, "https://blocked.example/").status == 403
    assert curl(gateway, "https://www.roblox.com/", source=YEAR_4).status == 403
    assert not origin.contacted("blocked.example")


def test_a_missing_ca_at_reload_is_said_and_traffic_goes_on(make_gateway: Make, name: str) -> None:
    gateway = make_gateway().start()
    (gateway.data / "ca" / "ca.pem").rename(gateway.data / "ca" / "away.pem")
    gateway.command("reload")
    assert curl(gateway, f"https://{name}/page").status == 200
    assert curl(gateway, "https://blocked.example/").status == 403


def test_reload_says_so_when_nothing_runs(make_gateway: Make) -> None:
    gateway = make_gateway()
    done = gateway.command("reload")
    assert done.returncode == 1
    assert done.stderr
    assert "Traceback" not in done.stderr
