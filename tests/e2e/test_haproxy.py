"""Two gateways behind a real HAProxy: whose request it is, health checks, and a gateway that is taken away."""

from __future__ import annotations

import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.rig.clients import curl
from tests.rig.gateway import YEAR_4, Gateway, listening
from tests.rig.origin import Origin
from tests.rig.tools import need
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e

BALANCER = "127.9.9.1"
CONFIG = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    retries 3
    option redispatch 1
frontend school
    bind 127.0.0.1:{port}
    default_backend gateways
frontend numbers
    mode http
    bind 127.0.0.1:{numbers}
    stats enable
    stats uri /
backend gateways
    balance roundrobin
    source {balancer}
    default-server check inter 300ms fall 2 rise 1 {form}
"""


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


@dataclass
class Balancer:
    """HAProxy in front of gateways; a client's `gateway`."""

    port: int
    numbers: int
    ca_cert: Path
    process: subprocess.Popen[bytes]

    @property
    def proxy_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def states(self) -> dict[str, str]:
        """How HAProxy finds each gateway: `UP`, `DOWN`, or on its way from one to the other."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.numbers}/;csv", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        names = lines[0].removeprefix("# ").split(",")
        rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:]]
        return {row["svname"]: row["status"] for row in rows if row["svname"].startswith("gate")}


@pytest.fixture
def gateways(make_gateway: Callable[..., Gateway]) -> list[Gateway]:
    """Two gateways of one school, each with a number of its own."""
    told = [{"proxy": {"balancers": [BALANCER]}, "gateway": {"number": number}} for number in (0, 1)]
    return [make_gateway(one).start() for one in told]


@pytest.fixture
def balance(gateways: list[Gateway], tmp_path: Path) -> Iterator[Callable[[str], Balancer]]:
    """Put HAProxy in front of them, with this form of the PROXY protocol."""
    program, made = need("haproxy", "haproxy"), []

    def make(form: str) -> Balancer:
        port, numbers = free_port(), free_port()
        lines = [f"    server gate{n} 127.0.0.1:{gateway.port}" for n, gateway in enumerate(gateways)]
        config = tmp_path / "haproxy.cfg"
        text = CONFIG.format(port=port, numbers=numbers, balancer=BALANCER, form=form)
        config.write_text(text + "\n".join(lines) + "\n")
        made.append(subprocess.Popen([program, "-db", "-q", "-f", str(config)]))
        found = Balancer(port, numbers, gateways[0].ca_cert, made[-1])
        wait_for(lambda: listening(port) and set(found.states().values()) == {"UP"}, "HAProxy to find both well")
        return found

    yield make
    for process in made:
        process.kill()
        process.wait(10)


def served(gateways: list[Gateway], name: str) -> list[list[dict[str, Any]]]:
    return [gateway.rows(host=name) for gateway in gateways]


@pytest.mark.parametrize("form", ["send-proxy", "send-proxy-v2"])
def test_rows_name_the_pupils_own_machine_and_checks_leave_none(
    balance: Callable[[str], Balancer], gateways: list[Gateway], name: str, form: str
) -> None:
    """Both gateways take their share, by the pupil's own address; hundreds of health checks refuse nothing."""
    front: Any = balance(form)
    for number in range(6):
        assert curl(front, f"http://{name}/page?n={number}", source=YEAR_4).status == 200
    assert curl(front, "http://blocked.example/", source=YEAR_4).status == 403
    wait_for(lambda: sum(map(len, served(gateways, name))) == 6, "six rows in all")
    for rows in served(gateways, name):
        assert len(rows) == 3, "they take turns"
        assert {(row["client_address"], row["device"], row["band"]) for row in rows} == {
            (YEAR_4, "oak-y4-laptop-10", "ks2")
        }
    assert front.states() == {"gate0": "UP", "gate1": "UP"}
    assert not [row for gateway in gateways for row in gateway.rows(ending="refused")]


def test_a_gateway_that_is_lost_takes_only_its_own_connections(
    balance: Callable[[str], Balancer], gateways: list[Gateway], origin: Origin, name: str
) -> None:
    """Its power is cut in the middle of downloads: those of the other end whole, and whoever comes is served."""
    front: Any = balance("send-proxy-v2")
    got: dict[int, Any] = {}

    def download(number: int) -> None:
        got[number] = curl(front, f"http://{name}/slow?n={number}&pieces=150&pause=0.1", source=YEAR_4, seconds=60)

    busy = [threading.Thread(target=download, args=(number,)) for number in range(4)]
    for number, one in enumerate(busy):
        one.start()
        wait_for(lambda count=number: len(origin.seen(name)) > count, "the download to begin")
    lost, left = gateways
    family = lost.family()
    for process in family:
        process.kill()
    assert psutil.wait_procs(family, timeout=30)[1] == [], "all gone: what they listened at refuses"
    for number in range(5):  # at once: HAProxy has not noticed yet, and tries the other
        assert curl(front, f"http://after-{name}/page?n={number}", source=YEAR_4).status == 200
    wait_for(lambda: front.states()["gate0"].startswith("DOWN"), "HAProxy to notice")
    assert curl(front, f"http://after-{name}/page?n=5", source=YEAR_4).status == 200
    for one in busy:
        one.join(90)
    whole = [answer for answer in got.values() if answer.code == 0]
    assert len(whole) == 2, [answer.error for answer in got.values()]
    assert len({answer.body for answer in whole}) == 1
    assert len(left.wait_for_rows(6, host=f"after-{name}")) == 6
    assert len(left.wait_for_rows(2, host=name, ending="response")) == 2
    # And back: what the lost one has in its spool is shipped, and it takes its share again.
    lost.write_settings({"proxy": {"balancers": [BALANCER], "port": lost.port}})
    lost.start()
    wait_for(lambda: front.states()["gate0"] == "UP", "HAProxy to find it well", seconds=60)
    assert len(lost.wait_for_rows(2, host=name, seconds=60)) == 2
