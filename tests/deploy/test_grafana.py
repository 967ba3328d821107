"""The dashboard shows what is measured, and everything that is measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.deploy.metricnames import named, registered

DASHBOARD: dict[str, Any] = json.loads((REPOSITORY / "deploy" / "grafana" / "schoolgate.json").read_text("utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ADDED_BY_PROMETHEUS = {"instance", "job"}


def expressions() -> list[str]:
    targets = [target["expr"] for panel in PANELS for target in panel["targets"]]
    variables = [item["query"]["query"] for item in DASHBOARD["templating"]["list"] if item["type"] == "query"]
    return targets + variables + [item["expr"] for item in DASHBOARD["annotations"]["list"]]


@pytest.mark.parametrize("expression", expressions())
def test_every_metric_and_label_it_names_is_registered(tmp_path: Path, expression: str) -> None:
    metrics = registered(tmp_path)
    asked = named(expression)
    assert asked
    for name, labels in asked.items():
        assert name in metrics
        assert labels - ADDED_BY_PROMETHEUS <= metrics[name]


def test_everything_measured_is_shown(tmp_path: Path) -> None:
    """A number nobody looks at is not worth its cost."""
    shown = {name for expression in expressions() for name in named(expression)}
    measured = {name for name in registered(tmp_path) if not name.endswith(("_sum", "_count"))}
    assert measured - shown == set()


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken: set[tuple[int, int]] = set()
    for panel in everything:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert taken.isdisjoint(cells)
        taken |= cells


def test_the_row_is_it_working_comes_first() -> None:
    assert DASHBOARD["panels"][0]["title"] == "Is it working?"
    titles = [panel["title"] for panel in PANELS[:8]]
    assert titles[0] == "Statutory lists"
