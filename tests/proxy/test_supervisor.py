"""The parent of every process: what it hands on, what it brings back, what a reload puts in force."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from proxy.control import order
from tests.rig.clients import curl
from tests.rig.gateway import COMMAND, YEAR_4, Gateway
from tests.rig.waiting import wait_for

OURS = {"name": "ours", "path": "ours.txt", "category": "games"}


def reload(gateway: Gateway) -> dict[str, Any]:
    """Take what the files say now; the answer."""
    answer: dict[str, Any] = json.loads(gateway.command("reload", "--json").stdout)
    return answer


@pytest.mark.e2e
def test_a_reload_reads_the_settings_again(make_gateway: Callable[..., Gateway], name: str) -> None:
    """A list and a place that were added count; a broken file is refused whole and changes nothing."""
    gateway = make_gateway().start()
    url = f"http://{name}/page"
    assert curl(gateway, url, source=YEAR_4).status == 200
    (gateway.folder / "ours.txt").write_text(f"{name}\n")
    gateway.write_settings({"lists": [OURS], "contact": "extension 204"})
    told = reload(gateway)
    assert ("reloaded" in told, told["restart_needed"]) == (True, ["contact"])
    assert curl(gateway, url, source=YEAR_4).status == 403
    file = gateway.file.read_text()
    gateway.file.write_text(file.replace("lists:", "listz:").replace("proxy:", "proxi:"))
    assert gateway.command("reload").returncode == 2  # the command reads them too
    told = order(gateway.data, {"do": "reload"})
    assert "did you mean 'lists'?" in told["failed"]
    assert "did you mean 'proxy'?" in told["failed"]
    assert curl(gateway, url, source=YEAR_4).status == 403
    gateway.file.write_text(file)
    places = [{"network": YEAR_4, "site": "oakwood", "band": "staff"}]
    gateway.write_settings({"identity": {"places": places}})
    assert "reloaded" in reload(gateway)
    wait_for(lambda: curl(gateway, url, source=YEAR_4).status == 200, "the place to count")


@pytest.mark.e2e
def test_every_problem_of_a_broken_policy_is_told(make_gateway: Callable[..., Gateway], name: str) -> None:
    """With its line, in one go; the old one stays and so does its revision."""
    gateway = make_gateway().start()
    before = json.loads(gateway.command("doctor", "--json").stdout)
    policy = gateway.folder / "policy.yaml"
    policy.write_text(policy.read_text().replace("what: [games]", "what: [gamez]").replace("tier: site", "tier: sight"))
    told = reload(gateway)
    assert "did you mean 'games'?" in told["failed"]
    assert "unknown tier 'sight'" in told["failed"]
    assert str(policy) in told["failed"]
    after = json.loads(gateway.command("doctor", "--json").stdout)
    revisions = [next(one for one in found if one["what"] == "gateway")["found"] for found in (before, after)]
    assert revisions[0] == revisions[1]
    assert curl(gateway, f"http://{name}/page").status == 200


@pytest.mark.e2e
def test_a_worker_comes_back_while_the_files_are_being_edited(make_gateway: Callable[..., Gateway], name: str) -> None:
    """Settings and policy are half written, a worker dies: it starts with what was accepted, and the port is served."""
    gateway = make_gateway({"proxy": {"workers": 2}}).start()
    gateway.file.write_text("proxy: {port: 8")
    (gateway.folder / "policy.yaml").write_text("schoolgate: 1\npolic")
    before = set(gateway.pids("worker"))
    dead = gateway.kill_one("worker")
    wait_for(lambda: not psutil.pid_exists(dead), "the worker to be gone")
    assert curl(gateway, f"http://{name}/page").status == 200
    now = wait_for(lambda: len(set(gateway.pids("worker")) - {dead}) == 2 and set(gateway.pids("worker")), "its heir")
    assert len(now & before) == 1
    for _ in range(6):
        assert curl(gateway, f"http://{name}/page").status == 200
    assert "starting it again in 0.2 s" in gateway.output


@pytest.mark.e2e
def test_a_data_folder_named_on_the_command_line_holds_for_every_process(
    make_gateway: Callable[..., Gateway], tmp_path: Path, name: str
) -> None:
    """`--data` beside `--settings`: workers and shipper work where the parent does."""
    gateway = make_gateway()
    gateway.data = tmp_path / "other"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.rig.gateway.COMMAND", make_command(tmp_path, gateway.data))
        gateway.start()
    assert curl(gateway, f"http://{name}/page").status == 200
    gateway.wait_for_rows(1, host=name)
    assert not (gateway.folder / "data").exists()


def make_command(folder: Path, data: Path) -> Path:
    """`schoolgate` with `--data` in front of whatever else it is told."""
    command = folder / "schoolgate"
    command.write_text(f'#!/bin/sh\nexec "{COMMAND}" --data "{data}" "$@"\n')
    command.chmod(0o700)
    return command
