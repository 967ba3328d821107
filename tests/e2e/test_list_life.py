"""Lists change under a running gateway: swapped on every worker, nothing dropped or unrecorded, bad ones kept out.

Shows: `proxy.listlife`
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.client import RemoteDisconnected
from typing import Any

import pytest

from proxy.settings import load_settings
from proxy.sourcestore import read_state, write_state
from tests.rig.clients import Browser
from tests.rig.gateway import TEACHER, YEAR_4, Gateway
from tests.rig.listserver import ListServer
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e
WORKERS = 2
MANY = "".join(f"h{number}.example\n" for number in range(200)).encode()


@pytest.fixture
def server() -> Iterator[ListServer]:
    with ListServer(files={"/games.txt": MANY}) as server:
        yield server


def types(gateway: Gateway, *words: str, status: int = 0) -> Any:
    done = gateway.command(*words, "--json")
    assert done.returncode == status, done.stderr + done.stdout
    return json.loads(done.stdout)


def everywhere(gateway: Gateway, url: str, source: str) -> set[int]:
    """What fresh connections get; enough of them to meet every worker."""
    with ExitStack() as stack:
        return {stack.enter_context(Browser(gateway, source=source)).fetch(url).status for _ in range(8 * WORKERS)}


def closed_everywhere(gateway: Gateway, url: str) -> bool:
    """Whether every worker blocks it by now. A request that is under way when it is closed is cut: ask again."""
    try:
        return everywhere(gateway, url, YEAR_4) == {403}
    except RemoteDisconnected:
        return False


def test_lists_live_while_lessons_go_on(make_gateway: Callable[..., Gateway], server: ListServer, name: str) -> None:
    """Added, updated on schedule, refused when cut short; requests go on all the while and each leaves its row."""
    gateway = make_gateway({"proxy": {"workers": WORKERS}, "list_servers": ["127.0.0.1"]}).start()
    words = ("--category", "games", "--every", "24h", "--reason", "arcade")
    stop, statuses = threading.Event(), []

    def lesson() -> None:
        with Browser(gateway, source=TEACHER) as browser:
            while not stop.is_set():
                statuses.append(browser.fetch(f"https://{name}/page").status)

    pupils = [threading.Thread(target=lesson) for _ in range(3)]
    for pupil in pupils:
        pupil.start()
    try:
        added = types(gateway, "lists", "add", "arcade", server.url("/games.txt"), *words)
        assert added["in_force"]["workers"] == WORKERS
        assert everywhere(gateway, "http://h7.example/", YEAR_4) == {403}
        server.files["/games.txt"] = MANY + b"fresh.example\n"
        settings = load_settings(gateway.file)
        write_state(settings, "arcade", replace(read_state(settings, "arcade"), last_try=0.0))
        wait_for(lambda: closed_everywhere(gateway, "http://fresh.example/"), "the schedule", seconds=60)
        server.files["/games.txt"] = b"h1.example\n"
        write_state(settings, "arcade", replace(read_state(settings, "arcade"), last_try=0.0))
        metric = 'schoolgate_list_update_failures_total{list="arcade"} 1.0'
        wait_for(lambda: metric in gateway.metrics(), "the refusal to be counted", seconds=60)
        assert everywhere(gateway, "http://h7.example/", YEAR_4) == {403}
        wait_for(lambda: "would shrink" in gateway.output, "the refusal to be told")
    finally:
        stop.set()
        for pupil in pupils:
            pupil.join()
    assert set(statuses) == {200}
    gateway.wait_for_rows(len(statuses), host=name, status=200)
    assert gateway.stop() == 0


def test_a_start_with_a_changed_list_filters_at_once(make_gateway: Callable[..., Gateway], name: str) -> None:
    """With the lists compiled last; the new ones follow by themselves, and the status says so meanwhile."""
    lists = [{"name": "arcade", "path": "arcade.txt", "category": "games"}]
    gateway = make_gateway({"proxy": {"workers": 1}, "lists": lists})
    file = gateway.folder / "arcade.txt"
    file.write_bytes(MANY)
    gateway.start()
    gateway.stop()
    file.write_bytes(MANY + f"{name}\n".encode())
    gateway.start()
    assert "arcade.txt" not in gateway.output
    with Browser(gateway, source=YEAR_4) as browser:
        assert browser.fetch("http://h7.example/").status == 403
        wait_for(lambda: browser.fetch(f"http://{name}/").status == 403, "the new list", seconds=60)
    assert types(gateway, "lists", "status")["current"] is True
    gateway.stop()


def test_a_reload_takes_a_changed_list_checked(make_gateway: Callable[..., Gateway]) -> None:
    """A list of the settings that was cut short is refused with the reload, and the old engine stays."""
    lists = [{"name": "arcade", "path": "arcade.txt", "category": "games"}]
    gateway = make_gateway({"proxy": {"workers": 1}, "lists": lists})
    file = gateway.folder / "arcade.txt"
    file.write_bytes(MANY)
    gateway.start()
    file.write_bytes(MANY + b"fresh.example\n")
    assert "reloaded" in types(gateway, "reload")
    with Browser(gateway, source=YEAR_4) as browser:
        assert browser.fetch("http://fresh.example/").status == 403
        file.write_bytes(b"h1.example\n")
        assert "would shrink from 201 to 1" in types(gateway, "reload", status=1)["failed"]
        assert browser.fetch("http://h7.example/").status == 403
        types(gateway, "lists", "update", "--anyway")
        assert browser.fetch("http://h7.example/").status == 200
    gateway.stop()


def test_an_own_entry_is_in_force_within_a_second(gateway: Gateway, name: str) -> None:
    """Nothing is compiled: the overlay carries it."""
    assert everywhere(gateway, f"https://{name}/page", YEAR_4) == {200}
    made = types(gateway, "lists", "entry", "add", "games", name, "--reason", "it is a game")
    assert made["workers"]["have"] == made["workers"]["of"]
    assert made["workers"]["seconds"] < 1.0
    assert everywhere(gateway, f"https://{name}/page", YEAR_4) == {403}
    row = gateway.wait_for_rows(8 * WORKERS, host=name, blocked=True)[0]
    assert (row["list"], row["entry"]) == ("own/games", name)
    types(gateway, "lists", "entry", "remove", "games", name, "--reason", "it is not")
    assert everywhere(gateway, f"https://{name}/page", YEAR_4) == {200}
