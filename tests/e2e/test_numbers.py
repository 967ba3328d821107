"""What Prometheus sees: real numbers across all workers, and nobody's browsing.

Shows: `proxy.metrics`, `addons.metrics`.
"""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.rig.certificates import Authority
from tests.rig.clients import Browser, Raw, curl
from tests.rig.gateway import YEAR_4, Gateway
from tests.rig.tools import need
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e


def value(gateway: Gateway, metric: str, **labels: str) -> float:
    """Sum of a metric's samples that carry these labels."""
    total = 0.0
    for family in text_string_to_metric_families(gateway.metrics()):
        for sample in family.samples:
            if sample.name == metric and labels.items() <= sample.labels.items():
                total += sample.value
    return total


def test_requests_are_counted_by_action_across_workers(make_gateway: Callable[..., Gateway], name: str) -> None:
    gateway = make_gateway({"proxy": {"workers": 2}}).start()
    for number in range(10):  # a new connection each, so that both workers get some
        with Browser(gateway) as browser:
            assert browser.fetch(f"http://{name}/page?n={number}").status == 200
    for _ in range(3):
        curl(gateway, "https://blocked.example/", source=YEAR_4)
    wait_for(lambda: value(gateway, "schoolgate_requests_total", action="allow") == 10, "ten allowed requests")
    wait_for(lambda: value(gateway, "schoolgate_requests_total", action="block", band="ks2") == 3, "three blocked ones")


def test_traffic_is_counted_by_what_became_of_it(
    make_gateway: Callable[..., Gateway], authority: Authority, name: str
) -> None:
    """Read, passed unread, refused by us or by the device: connections, requests and bytes, and no names."""
    gateway = make_gateway().start()
    with Browser(gateway) as browser:
        sizes = [len(browser.fetch(f"https://{name}/page?n={number}").body) for number in range(3)]
    origins = ssl.create_default_context(cafile=str(authority.pem))
    with Raw(gateway) as raw:
        assert raw.tunnel("my.bank.example:443") == 200
        raw.secure("my.bank.example", origins)
        raw.send(b"GET /page HTTP/1.1\r\nHost: my.bank.example\r\nConnection: close\r\n\r\n")
        assert raw.answer().status == 200
    curl(gateway, "https://blocked.example/")
    with Raw(gateway) as raw:
        assert raw.tunnel(f"{name}:443") == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            raw.secure(name, origins)

    def counted(what: str, way: str) -> float:
        return value(gateway, f"schoolgate_traffic_{what}_total", way=way)

    wait_for(lambda: counted("connections", "bypassed") == counted("connections", "refused") == 1, "the two tunnels")
    # Whoever is shown a block page inside TLS was read, too.
    wait_for(lambda: counted("connections", "inspected") == 2, "the two that were read")
    ways = ("inspected", "bypassed", "refused")
    wait_for(lambda: [counted("requests", way) for way in ways] == [3, 1, 2], "each to be counted")
    assert counted("bytes", "inspected") == sum(sizes)
    assert counted("bytes", "bypassed") > 1000


def test_a_killed_worker_takes_no_count_away(make_gateway: Callable[..., Gateway], name: str) -> None:
    gateway = make_gateway().start()
    assert curl(gateway, f"http://{name}/page").status == 200
    before = wait_for(lambda: value(gateway, "schoolgate_requests_total"), "a count")
    old = gateway.kill_one("worker")
    wait_for(lambda: gateway.pids("worker") and old not in gateway.pids("worker"), "a new worker", seconds=30)
    wait_for(lambda: curl(gateway, f"http://{name}/page").status == 200, "the new worker to serve")
    wait_for(lambda: value(gateway, "schoolgate_requests_total") == before + 1, "one more than before")


PROMISED = (
    "schoolgate_requests_total",
    "schoolgate_decision_seconds_bucket",
    "schoolgate_spool_bytes",
    "schoolgate_list_entries",
    "schoolgate_ca_expiry_timestamp_seconds",
)


@pytest.mark.parametrize("metric", PROMISED)
def test_every_promised_number_is_there(gateway: Gateway, name: str, metric: str) -> None:
    curl(gateway, f"https://{name}/page")
    wait_for(lambda: re.search(rf"^{metric}\b", gateway.metrics(), re.MULTILINE), metric)


def test_no_number_tells_who_browsed_where(gateway: Gateway, name: str) -> None:
    """Design §5.9: no user, host or URL label."""
    curl(gateway, f"https://{name}/page", source=YEAR_4)
    curl(gateway, "https://blocked.example/", source=YEAR_4)
    gateway.wait_for_rows(1, host=name)
    text = gateway.metrics()
    for secret in (name, "blocked.example", YEAR_4, "oak-y4-laptop-10", "/page"):
        assert secret not in text


def test_nor_does_what_the_gateway_prints(gateway: Gateway, name: str) -> None:
    curl(gateway, f"https://{name}/page?q=private-matter", source=YEAR_4)
    curl(gateway, f"https://{name}/reset?q=private-matter", source=YEAR_4)
    gateway.wait_for_rows(2, host=name)
    assert name not in gateway.output
    assert "private-matter" not in gateway.output


def test_promtool_accepts_the_page(gateway: Gateway, tmp_path: Path) -> None:
    """`promtool check metrics` lints names, types and help texts."""
    promtool = need("promtool", "prometheus")
    done = subprocess.run([promtool, "check", "metrics"], input=gateway.metrics(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
