"""The metrics the gateway really registers, read from the code that registers them."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.metrics import MetricWrapperBase

from addons.metrics import Metrics
from categories.model import ListStatus
from proxy.metrics import Facts, GatewayCollector


def registered(folder: Path) -> dict[str, frozenset[str]]:
    """Sample name to label names, as a scrape of a gateway shows them (counters end in `_total`)."""
    registry = CollectorRegistry()
    Metrics(registry)
    facts = Facts(
        lists=(ListStatus("starter/games", "games", 1, 0, 0.0, "games.txt"),),
        list_updates=lambda: {"ut1": (1, 0.0)},
        processes=lambda: {"worker-1": 1},
    )
    found: dict[str, frozenset[str]] = {}
    for metric in registry._collector_to_names:
        if isinstance(metric, MetricWrapperBase):
            for family in metric.describe():
                found |= _samples(family, frozenset(metric._labelnames))
    for family in GatewayCollector(folder, facts).collect():
        labels = frozenset(key for sample in family.samples for key in sample.labels)
        found |= _samples(family, labels)
    return found


def _samples(family: Metric, labels: frozenset[str]) -> dict[str, frozenset[str]]:
    if family.type == "histogram":
        return {
            f"{family.name}_bucket": labels | {"le"},
            f"{family.name}_count": labels,
            f"{family.name}_sum": labels,
        }
    return {f"{family.name}_total" if family.type == "counter" else family.name: labels}


def named(expression: str) -> dict[str, frozenset[str]]:
    """Metrics of ours in a PromQL expression, with the labels asked of each."""
    found: dict[str, frozenset[str]] = {}
    for name, selector in re.findall(r"\b(schoolgate_\w+)(?:\{([^}]*)\})?", expression):
        labels = frozenset(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        found[name] = found.get(name, frozenset()) | labels
    return found
