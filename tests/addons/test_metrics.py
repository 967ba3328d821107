"""Numbers without names."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from addons.metrics import Metrics
from tests.addons.host import Host
from tests.addons.people import PASSWORD, PUPIL
from tests.rig.clients import curl

LABELS = {"action", "band", "reason", "hook", "side", "way", "what", "le"}
"""Every label there may be: each has a handful of values."""


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_requests_are_counted_by_what_was_done(registry: CollectorRegistry) -> None:
    """Action, band, reason; the same three share one counter."""
    metrics = Metrics(registry)
    for _ in range(3):
        metrics.count_request("block", "ks2", "rule")
    metrics.count_request("allow", "staff", "default")
    value = registry.get_sample_value
    assert value("schoolgate_requests_total", {"action": "block", "band": "ks2", "reason": "rule"}) == 3
    assert value("schoolgate_requests_total", {"action": "allow", "band": "staff", "reason": "default"}) == 1


def test_no_label_can_hold_a_name(host: Host, name: str) -> None:
    """Design 5.9: after real traffic by a real account, neither host nor account nor address is anywhere."""
    curl(host, f"https://{name}/page?q=private", user=f"{PUPIL.name}:{PASSWORD}")
    curl(host, "http://games.schoolgate.test/", source="127.0.5.5")
    registry = CollectorRegistry()
    metrics = host.live.metrics
    samples = [
        sample
        for metric in vars(metrics).values()
        if hasattr(metric, "collect")
        for family in metric.collect()
        for sample in family.samples
    ]
    assert len(samples) > 50
    assert {label for sample in samples for label in sample.labels} <= LABELS
    told = repr(samples) + generate_latest(registry).decode()
    for secret in (name, PUPIL.name, "127.0.5.5", "games.schoolgate.test", "private"):
        assert secret not in told


def test_every_number_is_explained(registry: CollectorRegistry) -> None:
    """A help text, and our name in front."""
    Metrics(registry)
    for family in registry.collect():
        assert family.name.startswith("schoolgate_")
        assert len(family.documentation) > 10


def test_connections_go_up_and_down(host: Host, name: str) -> None:
    """The gauge is what is open now."""
    from tests.rig.clients import Browser
    from tests.rig.waiting import wait_for

    gauge = host.live.metrics.connections._value
    wait_for(lambda: gauge.get() == 0, "earlier clients to be forgotten")
    with Browser(host) as browser:
        browser.fetch(f"http://{name}/page")
        assert gauge.get() == 1
    wait_for(lambda: gauge.get() == 0, "the connection to be forgotten")
