"""Workers are replaced one after the other while a lesson goes on: nothing is dropped and no row is missing.

Shows: `proxy.family`.
"""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.rig.clients import Browser, Raw, curl
from tests.rig.gateway import HILLVIEW, TEACHER, Gateway
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CLIENTS = 6


class Lesson:
    """Pupils who ask without a pause: kept-alive, over TLS, and with a new connection for every page."""

    def __init__(self, gateway: Gateway, name: str) -> None:
        self.answered = 0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._gateway, self._name = gateway, name
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> Lesson:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _ask(self, number: int) -> None:
        scheme = ("http", "https", "http")[number % 3]
        browser = Browser(self._gateway)
        pages = itertools.count()
        while not self._stop.is_set():
            try:
                answer = browser.fetch(f"{scheme}://{self._name}/page?of={number}&n={next(pages)}")
                if number % 3 == 2:
                    browser.close()
                if answer.status != 200:
                    raise ValueError(f"status {answer.status}")
            except Exception as error:
                with self._lock:
                    self.failed.append(repr(error))
                browser = Browser(self._gateway)
            else:
                with self._lock:
                    self.answered += 1
        browser.close()


def unrecorded(gateway: Gateway, lesson: Lesson, name: str) -> int:
    """Answers without a row of their own."""
    return lesson.answered - len({row["query"] for row in gateway.rows(host=name, path="/page")})


def restart(gateway: Gateway) -> dict[str, Any]:
    done = gateway.command("reload", "--restart", "--json", seconds=180)
    assert done.returncode == 0, done.stdout + done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_rolling_restart_in_the_middle_of_a_lesson_drops_nothing(
    make_gateway: Callable[..., Gateway], name: str
) -> None:
    """Two workers, replaced under load, a download and a tunnel open all the while."""
    gateway = make_gateway({"proxy": {"workers": 2, "idle_timeout": 30}}).start()
    first = set(gateway.pids("worker"))
    with Raw(gateway, timeout=60) as download, Lesson(gateway, name) as lesson:
        download.send(f"GET http://{name}/slow?pieces=60&pause=0.2 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        wait_for(lambda: lesson.answered > 20, "the lesson to have begun")
        assert restart(gateway)["restarted"] == ["worker2", "worker3"]
        second = set(gateway.pids("worker")) - first
        count = lesson.answered
        wait_for(lambda: lesson.answered > count + 20, "the lesson to go on")
        assert len(download.answer().body) == 600, "what was being downloaded when its worker was replaced"
    assert lesson.failed == []
    wait_for(lambda: not first & set(gateway.pids("worker")), "the first workers to be gone", seconds=60)
    assert not first & second
    wait_for(lambda: not unrecorded(gateway, lesson, name), "every answer to have its row", seconds=90, every=2)
    assert not gateway.rows(host=name, ending="interrupted")
    assert gateway.stop() == 0


def test_a_site_that_is_closed_is_closed_on_workers_that_leave_too(
    make_gateway: Callable[..., Gateway], name: str
) -> None:
    """A radio plays on through the worker that is being replaced; the school closes the site, and it ends."""
    gateway = make_gateway().start()
    with Raw(gateway, source=TEACHER, timeout=60) as radio:
        radio.send(f"GET http://{name}/slow?pieces=500&pause=0.2 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert radio.socket.recv(20)
        assert restart(gateway)["leaving"] == ["worker0"]
        policy = gateway.folder / "policy.yaml"
        policy.write_text(policy.read_text().replace("host:blocked.example", f"host:{name}"))
        assert gateway.command("reload").returncode == 0
        began = time.monotonic()
        radio.read_all()
        assert time.monotonic() - began < 30
    wait_for(lambda: len(gateway.pids("worker")) == 1, "the old worker to be gone", seconds=30)


def test_stopping_does_not_wait_for_workers_that_leave(make_gateway: Callable[..., Gateway], name: str) -> None:
    """Their time is the drain's from then on."""
    gateway = make_gateway().start()
    with Raw(gateway, timeout=60) as radio:
        radio.send(f"GET http://{name}/slow?pieces=500&pause=0.2 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        assert radio.socket.recv(20)
        restart(gateway)
        assert gateway.stop() == 0


def test_who_knocks_while_the_only_worker_is_down_is_served_by_its_heir(
    make_gateway: Callable[..., Gateway], name: str
) -> None:
    """The socket outlives the worker: a connection waits a moment instead of being refused."""
    gateway = make_gateway().start()
    dead = gateway.kill_one("worker")
    with socket.create_connection(gateway.address, 30, source_address=(HILLVIEW, 0)) as end:
        end.settimeout(60)
        end.sendall(f"GET http://{name}/page HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        assert end.recv(12) == b"HTTP/1.1 200"
    assert dead not in gateway.pids("worker")
    assert curl(gateway, f"http://{name}/page").status == 200
