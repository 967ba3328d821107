"""One click: allowed or blocked on every worker within a second, on open connections too, until its time is over."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.rig.clients import Browser, websocket
from tests.rig.gateway import HILLVIEW, TEACHER, YEAR_4, Gateway
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e
WORKERS = 2
IN_FORCE = 1.0
"""Seconds from the decision to the last worker (design §6)."""


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, origin: Any, authority: Any) -> Iterator[Gateway]:
    """A gateway with two workers."""
    folder = tmp_path_factory.mktemp("one-click")
    settings = {"proxy": {"workers": WORKERS}}
    gateway = Gateway(folder, origin=origin.address, trust=authority.pem, settings=settings)
    try:
        yield gateway.start()
        gateway.stop()
    finally:
        gateway.kill()


def click(gateway: Gateway, *words: str, status: int = 0) -> Any:
    """A command, as a technician types it; its JSON."""
    done = gateway.command(*words, "--json")
    assert done.returncode == status, done.stderr + done.stdout
    return json.loads(done.stdout)


def everywhere(gateway: Gateway, url: str, source: str) -> set[int]:
    """What fresh connections get; enough of them to meet every worker."""
    found = set()
    with ExitStack() as stack:
        for _ in range(8 * WORKERS):
            found.add(stack.enter_context(Browser(gateway, source=source)).fetch(url).status)
    return found


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_block_is_in_force_on_all_workers_within_a_second(school: Gateway, name: str, scheme: str) -> None:
    """Kept-alive connections to both workers are asked all the time; the last one that still answers counts."""
    url = f"{scheme}://{name}/page"
    with ExitStack() as stack:
        browsers = [stack.enter_context(Browser(school, source=TEACHER)) for _ in range(8)]
        assert {browser.fetch(url).status for browser in browsers} == {200}
        told = click(school, "block", name, "--reason", "a fight is being streamed there")
        assert {browser.fetch(url).status for browser in browsers} == {403}
    assert told["workers"]["have"] == told["workers"]["of"] == WORKERS
    assert told["workers"]["seconds"] < IN_FORCE
    assert told["verdict"]["action"] == "block"
    assert told["verdict"]["rule"] == told["rule"]
    rows = school.wait_for_rows(8, host=name, blocked=True)
    assert {(row["rule"], row["tier"], row["reason"]) for row in rows} == {(told["rule"], "override", "override")}
    click(school, "overrides", "end", str(told["id"]), "--reason", "over")
    assert everywhere(school, url, TEACHER) == {200}


def test_the_second_is_counted_from_outside(school: Gateway, name: str) -> None:
    """Not what the command says: from the overlay's rename to the last request that still got through."""
    url = f"https://{name}/page"
    with ExitStack() as stack:
        browsers = [stack.enter_context(Browser(school, source=TEACHER)) for _ in range(6)]
        for browser in browsers:
            assert browser.fetch(url).status == 200
        command = school.start_command("block", name, "--reason", "measured from outside", "--json")
        last_open = time.time()
        blocked: set[int] = set()
        deadline = time.monotonic() + 30
        while len(blocked) < len(browsers):
            assert time.monotonic() < deadline
            for number, browser in enumerate(browsers):
                asked = time.time()
                try:
                    opened = browser.fetch(url).status == 200
                except OSError:  # the click met this very request, and cut it
                    opened = False
                if opened:
                    last_open = max(last_open, asked)
                else:
                    blocked.add(number)
        assert command.wait(30) == 0
    placed = (school.data / "overlay" / "overlay.msgpack").stat().st_mtime
    assert last_open - placed < IN_FORCE, f"{last_open - placed:.3f} s after the decision a page still opened"


def test_a_teacher_opens_games_for_her_class_and_nobody_else(school: Gateway, name: str) -> None:
    """B-47, B-14: the class gets it from that minute; a class exception is an override for a group."""
    url = "https://games.schoolgate.test/page"
    assert everywhere(school, url, YEAR_4) == {403}
    told = click(
        school, "allow", "category:games", "--group", "year-4", "--for", "40m", "--reason", "coding club shows a game"
    )
    assert told["decides_for"]
    assert told["why"] == "coding club shows a game"
    assert everywhere(school, url, YEAR_4) == {200}
    click(school, "overrides", "end", told["rule"])
    assert everywhere(school, url, YEAR_4) == {403}


def test_one_site_is_not_another(school: Gateway, name: str) -> None:
    """A block for Oakwood leaves Hillview alone."""
    url = f"http://{name}/page"
    told = click(school, "block", name, "--site", "oakwood", "--reason", "only here")
    assert everywhere(school, url, TEACHER) == {403}
    assert everywhere(school, url, HILLVIEW) == {200}
    click(school, "overrides", "end", str(told["id"]))


def test_a_page_is_blocked_and_the_rest_of_its_host_stays_open(school: Gateway, name: str) -> None:
    """A URL stands for what is below it."""
    told = click(school, "block", f"https://{name}/closed", "--reason", "this page only")
    assert everywhere(school, f"https://{name}/closed/page", TEACHER) == {403}
    assert everywhere(school, f"https://{name}/page", TEACHER) == {200}
    click(school, "overrides", "end", str(told["id"]))


def test_it_ends_by_itself_and_the_trail_says_so(school: Gateway, name: str) -> None:
    """No command ends it: its time does; and on the block page stands no reason of a teacher."""
    url = f"http://{name}/page"
    until = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 15))
    told = click(school, "block", name, "--until", until, "--reason", "because of Pupil 0417")
    with Browser(school, source=TEACHER) as browser:
        page = browser.fetch(url)
        assert page.status == 403
        assert "0417" not in page.text
        wait_for(lambda: browser.fetch(url).status == 200, "the block to be over", seconds=40)
    assert time.time() >= time.mktime(time.strptime(until[:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - 0.5

    def over() -> Any:
        known = click(school, "overrides", "list", "--all")
        return next(one for one in known if one["id"] == told["id"])["ended_why"]

    assert wait_for(over, "the end to be written down") == "its time is over"


def test_a_websocket_that_is_blocked_is_cut(school: Gateway, name: str) -> None:
    """What was opened before the click is closed by it."""
    with websocket(school, f"wss://{name}/websocket") as socket:
        socket.send("before")
        assert socket.recv(timeout=10) == "before"
        told = click(school, "block", name, "--reason", "cut what is open")
        with pytest.raises((ConnectionClosed, OSError, EOFError)):
            while True:
                socket.send("after")
                socket.recv(timeout=10)
    click(school, "overrides", "end", str(told["id"]))


def test_a_tunnel_that_is_blocked_is_cut(school: Gateway) -> None:
    """A bank is passed through undecrypted by the trust: an override below does not reach it, and that is said."""
    refused = click(school, "block", "bank.example", "--band", "staff", "--reason", "try", status=1)
    assert "bank-not-decrypted" in " ".join(refused["problems"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("allow", "blocked.example"), "rule 'blocked-everywhere' (TRUST) decides"),
        (("block", "www.childline.org.uk"), "help site"),
        (("allow", "category:child-abuse"), "LOCKED"),
    ],
)
def test_what_one_click_cannot_change_is_refused_with_the_rule_in_the_way(
    school: Gateway, words: tuple[str, ...], says: str
) -> None:
    """Nothing is written, and the answer names the rule."""
    before = click(school, "overrides", "list")
    refused = click(school, *words, "--reason", "let me", status=1)
    assert refused["ok"] is False
    assert says in " ".join(refused["problems"])
    assert click(school, "overrides", "list") == before


def test_decisions_survive_a_restart_and_explain_knows_them(make_gateway: Callable[..., Gateway], name: str) -> None:
    """Kept in the register; the same verdict from `explain`, with the same revision as in the record."""
    gateway = make_gateway({"proxy": {"workers": 1}}).start()
    told = click(gateway, "block", name, "--reason", "for good")
    gateway.stop()
    gateway.start()
    with Browser(gateway, source=TEACHER) as browser:
        assert browser.fetch(f"https://{name}/page").status == 403
    row = gateway.wait_for_rows(1, host=name, blocked=True)[0]
    explained = json.loads(gateway.command("explain", f"https://{name}/page", "--address", TEACHER, "--json").stdout)
    assert (
        (row["rule"], row["revision"]) == (explained["rule"], explained["revision"]) == (told["rule"], row["revision"])
    )
    gateway.stop()
