"""Prometheus: the rules are valid, name what exists, fire when they should, and a real Prometheus scrapes a gateway."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.deploy.metricnames import named, registered
from tests.rig.clients import curl
from tests.rig.gateway import YEAR_4, Gateway
from tests.rig.tools import need
from tests.rig.waiting import wait_for

FOLDER = REPOSITORY / "deploy" / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]


def promtool(*words: str | Path) -> str:
    told = subprocess.run(
        [need("promtool", "prometheus"), *map(str, words)], capture_output=True, text=True, timeout=60
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


class TestRules:
    def test_prometheus_finds_no_mistake(self) -> None:
        promtool("check", "rules", FOLDER / "alerts.yml")
        promtool("check", "config", FOLDER / "scrape.yml")

    @pytest.mark.parametrize("rule", RULES, ids=NAMES)
    def test_every_metric_and_label_it_names_is_registered(self, tmp_path: Path, rule: dict[str, Any]) -> None:
        metrics = registered(tmp_path)
        for name, labels in named(rule["expr"]).items():
            assert name in metrics
            assert labels - {"instance", "job"} <= metrics[name]

    @pytest.mark.parametrize("rule", RULES, ids=NAMES)
    def test_it_tells_a_technician_what_to_do(self, rule: dict[str, Any]) -> None:
        """A severity, a summary, a description, and a section of the operations page."""
        notes = rule["annotations"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert len(notes["description"]) > 60
        page, _, anchor = notes["runbook"].partition("#")
        headings = re.findall(r"^#+ (.+)$", (REPOSITORY / page).read_text("utf-8"), re.M)
        assert anchor in [re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings]

    def test_names_are_used_once(self) -> None:
        assert len(set(NAMES)) == len(NAMES)


GOOD = {
    'up{job="schoolgate"}': "1x200",
    "schoolgate_workers": "4x200",
    "schoolgate_worker_restarts_total": "0x200",
    'schoolgate_hook_failures_total{hook="filter"}': "2x200",
    "schoolgate_undecided_total": "0x200",
    'schoolgate_requests_total{action="allow",band="ks4",reason="default"}': "0+3000x200",
    'schoolgate_requests_total{action="block",band="ks4",reason="rule"}': "0+100x200",
    'schoolgate_requests_total{action="block",band="ks4",reason="failure"}': "0x200",
    'schoolgate_added_latency_seconds_bucket{le="0.001"}': "0+3095x200",
    'schoolgate_added_latency_seconds_bucket{le="1"}': "0+3100x200",
    'schoolgate_added_latency_seconds_bucket{le="+Inf"}': "0+3100x200",
    'schoolgate_process_resident_bytes{process="worker-1"}': "2e8x200",
    "schoolgate_statutory_compliant": "1x200",
    'schoolgate_list_age_seconds{list="ut1/adult"}': "86400+60x200",
    'schoolgate_list_age_seconds{list="starter/games"}': "99999999x200",
    'schoolgate_list_entries{list="ut1/adult"}': "4000000x200",
    'schoolgate_list_update_failures_total{list="ut1"}': "1x200",
    'schoolgate_reloads_total{result="failed"}': "0x200",
    'schoolgate_reloads_total{result="ok"}': "0+1x200",
    'schoolgate_tls_failures_total{side="client"}': "0+5x200",
    "schoolgate_ca_expiry_timestamp_seconds": f"{400 * 86400}x200",
    'schoolgate_ca_rotation_seconds{step="old"}': "1x200",
    "schoolgate_spool_oldest_seconds": "2x200",
    'schoolgate_spool_level{level="ok"}': "1x200",
    'schoolgate_spool_level{level="alert"}': "0x200",
    'schoolgate_spool_level{level="full"}': "0x200",
    'schoolgate_unrecorded_total{what="passed"}': "0x200",
    "schoolgate_rows_failed_total": "0x200",
    "schoolgate_rows_quarantined_total": "0x200",
    "schoolgate_spool_missing_total": "0x200",
    "schoolgate_shipper_last_success_seconds": "0+60x200",
    "schoolgate_retention_last_run_seconds": "1x200",
    "schoolgate_retention_overdue": "0x200",
    "schoolgate_records_left_behind": "0x200",
    "schoolgate_holds_review_due": "0x200",
    "schoolgate_holds_incomplete": "0x200",
    "schoolgate_evidence_last_run_seconds": "1x200",
    "schoolgate_evidence_problems": "0x200",
    "schoolgate_evidence_unsealed": "0x200",
    "schoolgate_stray_rows": "0x200",
    "schoolgate_partitions_missing": "0x200",
    "schoolgate_oldest_row_seconds": "15000000x200",
}
"""A quiet school day of 200 minutes, a sample a minute; Prometheus's test clock starts at 0."""

BAD: dict[str, dict[str, str | None]] = {
    "SchoolgateDown": {'up{job="schoolgate"}': "1x100 0x100"},
    "SchoolgateNoWorkers": {"schoolgate_workers": "4x100 0x100"},
    "SchoolgateWorkersRestart": {"schoolgate_worker_restarts_total": "0x150 0+1x50"},
    "SchoolgateHookFailures": {'schoolgate_hook_failures_total{hook="filter"}': "_x195 1x5"},
    "SchoolgateUndecided": {"schoolgate_undecided_total": "0x195 1x5"},
    "SchoolgateRefusingOnFailure": {
        'schoolgate_requests_total{action="block",band="ks4",reason="failure"}': "0x150 0+200x50"
    },
    "SchoolgateSlow": {'schoolgate_added_latency_seconds_bucket{le="0.001"}': "0+2000x200"},
    "SchoolgateMemory": {'schoolgate_process_resident_bytes{process="worker-1"}': "5e9x200"},
    "SchoolgateNotCompliant": {"schoolgate_statutory_compliant": "0x200"},
    "SchoolgateListStale": {'schoolgate_list_age_seconds{list="ut1/adult"}': "1300000x200"},
    "SchoolgateListUpdateFailed": {'schoolgate_list_update_failures_total{list="ut1"}': "0x100 1x30 2x30 3x40"},
    "SchoolgateListShrank": {'schoolgate_list_entries{list="ut1/adult"}': "4000000x170 1000x30"},
    "SchoolgateReloadFailed": {'schoolgate_reloads_total{result="failed"}': "0x195 1x5"},
    "SchoolgateNothingBlocked": {
        'schoolgate_requests_total{action="block",band="ks4",reason="rule"}': None,
        'schoolgate_requests_total{action="block",band="ks4",reason="failure"}': None,
    },
    "SchoolgateTlsFailures": {'schoolgate_tls_failures_total{side="client"}': "0+2000x200"},
    "SchoolgateCaExpires": {"schoolgate_ca_expiry_timestamp_seconds": f"{29 * 86400}x200"},
    "SchoolgateCaExpiresNow": {"schoolgate_ca_expiry_timestamp_seconds": f"{6 * 86400}x200"},
    "SchoolgateCaRotationOpen": {'schoolgate_ca_rotation_seconds{step="old"}': f"{-46 * 86400}x200"},
    "SchoolgateSpoolBehind": {"schoolgate_spool_oldest_seconds": "0+60x200"},
    "SchoolgateSpoolFilling": {'schoolgate_spool_level{level="alert"}': "0x150 1x50"},
    "SchoolgateSpoolFull": {'schoolgate_spool_level{level="full"}': "0x195 1x5"},
    "SchoolgateUnrecorded": {'schoolgate_unrecorded_total{what="passed"}': "0x195 3x5"},
    "SchoolgateShipperFails": {"schoolgate_rows_failed_total": "0x195 1x5"},
    "SchoolgateRowsQuarantined": {"schoolgate_rows_quarantined_total": "0x195 1x5"},
    "SchoolgateSpoolTorn": {"schoolgate_spool_missing_total": "0x195 2x5"},
    "SchoolgateShipperSilent": {"schoolgate_shipper_last_success_seconds": "0+60x100 6000x100"},
    "SchoolgateRetentionStopped": {"schoolgate_retention_last_run_seconds": "1x2000"},
    "SchoolgateRetentionIncomplete": {"schoolgate_retention_overdue": "2x200"},
    "SchoolgateRecordLeftBehind": {"schoolgate_records_left_behind": "1x200"},
    "SchoolgateHoldReviewDue": {"schoolgate_holds_review_due": "1x200"},
    "SchoolgateHoldIncomplete": {"schoolgate_holds_incomplete": "1x200"},
    "SchoolgateRecordChanged": {"schoolgate_evidence_problems": "3x200"},
    "SchoolgateEvidenceStopped": {"schoolgate_evidence_last_run_seconds": "1x2000"},
    "SchoolgateDayUnsealed": {"schoolgate_evidence_unsealed": "1x2000"},
    "SchoolgateRowsOutsideDays": {"schoolgate_stray_rows": "3x2000"},
    "SchoolgateRowsTooOld": {"schoolgate_oldest_row_seconds": "16200000x2000"},
}
"""What goes wrong, by the alert that must say so; None removes a series."""
SLOW = (
    "SchoolgateRetentionStopped",
    "SchoolgateRowsTooOld",
    "SchoolgateEvidenceStopped",
    "SchoolgateDayUnsealed",
)
"""Alerts that wait for a day."""


class TestFiring:
    def fired(self, folder: Path, changes: dict[str, str | None], at: str) -> set[str]:
        """Alerts firing at `at`, according to promtool's own engine."""
        found: set[str] = set()
        series = [
            {"series": self.placed(name), "values": self.plain(values)}
            for name, values in (GOOD | changes).items()
            if values is not None
        ]
        for name in NAMES:
            told = self.fires(folder, series, name, at)
            if told:
                found.add(name)
        return found

    @staticmethod
    def placed(series: str) -> str:
        """The same series on one gateway."""
        name, _, labels = series.partition("{")
        return f'{name}{{instance="gw",{labels}' if labels else f'{name}{{instance="gw"}}'

    @staticmethod
    def plain(values: str) -> str:
        """promtool's notation wants a sign: `1x5` is `1+0x5`."""
        return re.sub(r"(?<![\d.+-])(\d+(?:\.\d+)?(?:e\d+)?)x", r"\1+0x", values)

    @staticmethod
    def fires(folder: Path, series: list[dict[str, str]], alert: str, at: str) -> bool:
        """Whether `alert` fires: promtool is told to expect none and complains when there is one."""
        test = {
            "rule_files": [str(FOLDER / "alerts.yml")],
            "evaluation_interval": "1m",
            "tests": [
                {
                    "interval": "1m",
                    "input_series": series,
                    "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": []}],
                }
            ],
        }
        file = folder / f"{alert}.yml"
        file.write_text(yaml.safe_dump(test))
        words = [need("promtool", "prometheus"), "test", "rules", str(file)]
        told = subprocess.run(words, capture_output=True, text=True, timeout=60)
        if told.returncode != 0 and "got:" not in told.stdout + told.stderr:
            raise RuntimeError(told.stdout + told.stderr)
        return told.returncode != 0

    def test_a_quiet_school_day_is_quiet(self, tmp_path: Path) -> None:
        assert self.fired(tmp_path, {}, "199m") == set()

    @pytest.mark.parametrize("name", NAMES)
    def test_it_fires_when_it_should(self, tmp_path: Path, name: str) -> None:
        slow = dict.fromkeys(SLOW, "1900m")
        series = [
            {"series": self.placed(key), "values": self.plain(values)}
            for key, values in (GOOD | BAD[name]).items()
            if values is not None
        ]
        assert self.fires(tmp_path, series, name, slow.get(name, "199m"))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def prometheus(tmp_path: Path, gateway: Gateway) -> Iterator[str]:
    """A real Prometheus with the files of `deploy/`, its target pointed at the gateway; gives its address."""
    folder = tmp_path / "prometheus"
    folder.mkdir()
    (folder / "alerts.yml").write_text((FOLDER / "alerts.yml").read_text())
    scrape = (FOLDER / "scrape.yml").read_text()
    assert "127.0.0.1:8082" in scrape
    scrape = scrape.replace("127.0.0.1:8082", f"127.0.0.1:{gateway.metrics_port}").replace("15s", "1s")
    (folder / "prometheus.yml").write_text(scrape)
    address = f"127.0.0.1:{free_port()}"
    words = [
        need("prometheus", "prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder)
        try:
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(20)


def asked(prometheus: str, expression: str) -> list[dict[str, Any]]:
    query = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"{prometheus}/api/v1/query?{query}", timeout=5) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found
    except OSError:
        return []


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_a_real_prometheus_scrapes_a_real_gateway(gateway: Gateway, prometheus: str, name: str, tmp_path: Path) -> None:
    """Every metric the alerts and the dashboard name arrives; no user, host or address is a label."""
    assert curl(gateway, f"http://{name}/page").status == 200
    curl(gateway, "http://blocked.example/", source=YEAR_4)
    wait_for(lambda: asked(prometheus, 'up{job="schoolgate"} == 1'), "a scrape", seconds=30)
    for expected in ('schoolgate_requests_total{action="allow"}', 'schoolgate_requests_total{action="block"}'):
        wait_for(lambda expected=expected: asked(prometheus, expected), expected, seconds=20)
    there = {item["metric"]["__name__"] for item in asked(prometheus, '{__name__=~"schoolgate_.+"}')}
    only_when_it_happens = {
        "schoolgate_hook_failures_total",
        "schoolgate_tls_failures_total",
        "schoolgate_unrecorded_total",
        "schoolgate_ca_rotation_seconds",
        "schoolgate_pages_scanned_total",
        "schoolgate_pages_not_scanned_total",
    }
    assert set(registered(tmp_path)) - there - only_when_it_happens == set()
    labels = {key for item in asked(prometheus, '{__name__=~"schoolgate_.+"}') for key in item["metric"]}
    allowed = {
        "__name__",
        "instance",
        "job",
        "le",
        "action",
        "band",
        "reason",
        "hook",
        "side",
        "what",
        "level",
        "list",
        "result",
        "way",
    }
    assert labels - allowed - {"process", "revision", "pid"} == set()
    assert name not in json.dumps(asked(prometheus, '{__name__=~"schoolgate_.+"}'))
