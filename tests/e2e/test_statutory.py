"""Statutory lists through a real gateway: blocked for everybody in HTTP and HTTPS, and no way past while it runs.

Every list here is a dummy below `.test`, made and signed by the test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.categories.statutory_rig import Issuer
from tests.rig.clients import Browser, Raw, curl, trusting
from tests.rig.gateway import HILLVIEW, POLICY, TEACHER, YEAR_4, Gateway
from tests.rig.origin import Origin
from tests.rig.waiting import wait_for

pytestmark = pytest.mark.e2e
Make = Callable[..., Gateway]

OPEN = """
      - rule: listed-hosts-opened
        what: ["host:secret-host.test", "host:filehost.test", "host:bank.test"]
        action: {action}
"""
WORDS = (b"secret-host", b"secret-page", b"secret-id", b"terror-host", b"hidden-account")
"""Words only entries hold; no file of the gateway may."""


class Desk:
    """The operator's drop folder and both issuers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.issuers = {"iwf": Issuer(), "ctiru": Issuer()}
        self.number = 1

    def put(self, *more: str, age: timedelta = timedelta(), **issue: Any) -> None:
        """Put new issues of both lists in place, as a job of the operator does: by rename."""
        listed = {
            "iwf": ("secret-host.test", "filehost.test/secret-page", "filehost.test/view?id=secret-id", *more),
            "ctiru": ("terror-host.test", "bank.test/hidden-account/*"),
        }
        categories = {"iwf": "child-abuse", "ctiru": "terrorism"}
        for name, issuer in self.issuers.items():
            created = datetime.now(UTC) - age
            raw = issuer.issue(listed[name], category=categories[name], sequence=self.number, created=created, **issue)
            fresh = self.folder / f".{name}.new"
            fresh.write_bytes(raw)
            fresh.rename(self.folder / f"{name}.bundle")
        self.number += 1

    def settings(self, *names: str, **more: Any) -> dict[str, Any]:
        """Settings that name the lists."""
        sources = [
            {"name": name, "path": str(self.folder / f"{name}.bundle"), "public_key": self.issuers[name].key}
            for name in names or self.issuers
        ]
        return {"statutory": {"sources": sources, "refresh": "1s", **more}}


def status(gateway: Gateway) -> dict[str, Any]:
    """What `statutory status` says."""
    done = gateway.command("statutory", "status", "--json")
    told: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if told["compliant"] else 1)
    return told


def compliant(gateway: Gateway) -> bool:
    """What metrics say."""
    return "schoolgate_statutory_compliant 1.0" in gateway.metrics()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, origin: Origin, authority: Any) -> Iterator[tuple[Gateway, Desk]]:
    """One gateway with two workers and both lists; its policy opens the listed hosts as far as a policy can."""
    folder = tmp_path_factory.mktemp("statutory")
    desk = Desk(folder / "drop")
    desk.put()
    gateway = Gateway(
        folder / "gateway",
        origin=origin.address,
        trust=authority.pem,
        settings={**desk.settings(), "starter_lists": False, "proxy": {"workers": 2}},
    )
    policy = gateway.folder / "policy.yaml"
    policy.write_text(POLICY.read_text().replace("    rules:\n", "    rules:" + OPEN.format(action="allow"), 1))
    try:
        yield gateway.start(), desk
        gateway.stop()
    finally:
        gateway.kill()


LISTED = (
    "secret-host.test/",
    "www.SECRET-host.test./any?x=1",
    "filehost.test/secret-page",
    "www.filehost.test/%73ecret-page/?also=1",
    "filehost.test/./x/../secret-page",
    "filehost.test/view?x=1&id=secret-id",
    "bank.test/hidden-account/7",
    "terror-host.test/",
)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("source", [YEAR_4, TEACHER, HILLVIEW, "127.9.9.9"])
def test_a_listed_address_is_closed_to_everybody(
    shared: tuple[Gateway, Desk], origin: Origin, source: str, scheme: str
) -> None:
    """Starter lists off, a trust rule that allows the hosts, every band and somebody nobody knows."""
    gateway, _ = shared
    before = len(origin.arrivals)
    for url in LISTED:
        answer = curl(gateway, f"{scheme}://{url}", "--path-as-is", source=source)
        assert (answer.status, answer.headers.get("x-schoolgate-reason")) == (403, "statutory"), (url, answer)
        assert "secret" not in answer.text.lower()
    assert len(origin.arrivals) == before, "the origin never hears of it"


def test_near_misses_on_the_same_host_are_served(shared: tuple[Gateway, Desk]) -> None:
    gateway, _ = shared
    for url in ("filehost.test/page", "filehost.test/view?id=other", "bank.test/", "filehost.test/secret_page"):
        for scheme in ("http", "https"):
            assert curl(gateway, f"{scheme}://{url}").status == 200


@pytest.mark.parametrize(
    ("connect", "sni", "host"),
    [
        ("open.example", "open.example", "secret-host.test"),
        ("open.example", "secret-host.test", "open.example"),
        ("secret-host.test", "open.example", "open.example"),
        ("secret-host.test", "secret-host.test", "secret-host.test"),
    ],
)
def test_naming_it_in_connect_sni_or_host_is_naming_it(
    shared: tuple[Gateway, Desk], origin: Origin, connect: str, sni: str, host: str
) -> None:
    gateway, _ = shared
    with Raw(gateway) as raw:
        answer = raw.tunnel(f"{connect}:443")
        if answer == 200:
            raw.secure(sni, trusting(gateway))
            raw.send(f"GET /named HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = raw.answer().status
    assert answer in (400, 403, 421)
    assert not [arrival for arrival in origin.arrivals if arrival.path == "/named"]


def test_it_says_compliant_everywhere_and_green_nowhere_else(shared: tuple[Gateway, Desk]) -> None:
    gateway, _ = shared
    told = status(gateway)
    assert told["compliant"], told
    assert {source["in_force"]["list"] for source in told["sources"]} == {
        "Dummy list of child-abuse",
        "Dummy list of terrorism",
    }
    assert compliant(gateway)
    findings = {one["what"]: one for one in json.loads(gateway.command("doctor", "--json").stdout)}
    assert findings["statutory lists"]["level"] == "good"
    assert gateway.command("statutory", "verify").returncode == 0


def test_a_hit_is_recorded_with_who_and_when_and_without_what(shared: tuple[Gateway, Desk]) -> None:
    gateway, _ = shared
    assert curl(gateway, "https://filehost.test/secret-page", source=YEAR_4).status == 403
    wanted = {"reason": "statutory", "device": "oak-y4-laptop-10", "list": "statutory/iwf"}
    row = wait_for(lambda: gateway.rows(**wanted), "the row of a hit")[0]
    expected = {
        "host": "(withheld)",
        "path": None,
        "query": None,
        "domain": None,
        "entry": None,
        "list": "statutory/iwf",
        "category": "child-abuse",
        "tier": "locked",
        "blocked": True,
        "band": "ks2",
    }
    assert {key: row[key] for key in expected} == expected
    assert row["note"].startswith("statutory-entry:")


def test_no_entry_is_on_the_disk_in_the_log_in_metrics_or_in_an_explanation(shared: tuple[Gateway, Desk]) -> None:
    """Requirement F-06, after every hit above: whatever file the gateway wrote, none spells an entry out."""
    gateway, _ = shared
    for url in LISTED:
        for scheme in ("http", "https"):
            curl(gateway, f"{scheme}://{url}", source=YEAR_4)
    wait_for(lambda: len(gateway.rows(reason="statutory")) >= 2 * len(LISTED), "the rows")
    own = {gateway.folder / "policy.yaml", gateway.data / "run" / "policy-in-force.json"}  # what this test wrote there
    files = [file for file in gateway.folder.rglob("*") if file.is_file() and file not in own]
    assert len(files) > 20
    for file in files:
        held = file.read_bytes()
        assert not [word for word in WORDS if word in held], file
    assert not [word for word in WORDS if word in gateway.metrics().encode()]
    told = json.loads(gateway.command("explain", "http://filehost.test/secret-page", "--json").stdout)
    assert (told["entry"], told["list"], told["tier"]) == ("(withheld)", "statutory/iwf", "locked")
    assert {match["entry"] for match in told["matches"] if match["list"].startswith("statutory/")} == {"(withheld)"}
    exported = gateway.command("log", "search", "--json", "--reason", "statutory").stdout
    assert exported
    assert not [word for word in WORDS if word.decode() in exported]


def test_a_new_issue_is_in_force_on_every_worker_without_a_restart(shared: tuple[Gateway, Desk]) -> None:
    """And no open connection is dropped that has nothing to do with it."""
    gateway, desk = shared
    pids = gateway.pids("worker")
    with Browser(gateway) as browser:
        assert browser.fetch("https://open.example/page").status == 200
        assert browser.fetch("https://late-host.test/page").status == 200
        connection = browser._open["https", "open.example", 443].sock
        desk.put("late-host.test")
        wait_for(lambda: curl(gateway, "https://late-host.test/page").status == 403, "the new issue")
        assert browser.fetch("https://open.example/page").status == 200
        assert browser._open["https", "open.example", 443].sock is connection
    for _ in range(8):
        assert curl(gateway, "http://late-host.test/").status == 403
    assert gateway.pids("worker") == pids
    assert compliant(gateway)


@pytest.mark.parametrize("damage", ["truncated", "edited", "deleted", "replayed", "foreign"])
def test_a_file_that_is_tampered_with_takes_nothing_out_of_force_and_raises_the_alarm(
    shared: tuple[Gateway, Desk], damage: str
) -> None:
    gateway, desk = shared
    file = desk.folder / "iwf.bundle"
    raw = file.read_bytes()
    if damage == "replayed":
        desk.put("late-host.test")
        wait_for(lambda: status(gateway)["sources"][0]["in_force"]["sequence"] == desk.number - 1, "the new issue")
    changed = {
        "truncated": raw[: len(raw) // 2],
        "edited": raw[:-80] + b"x" + raw[-79:],
        "replayed": raw,
        "foreign": Issuer().issue(["harmless.test"], sequence=9999, created=datetime.now(UTC)),
    }
    file.unlink() if damage == "deleted" else file.write_bytes(changed[damage])
    wait_for(lambda: not compliant(gateway), "the alarm")
    told = status(gateway)
    assert not told["compliant"]
    assert "iwf" in " ".join(told["problems"])
    assert gateway.command("doctor").returncode == 1
    assert "NOT COMPLIANT" in gateway.output
    assert curl(gateway, "https://secret-host.test/").status == 403, "the last good issue is in force"
    assert gateway.command("reload").returncode == 0, "and a reload changes nothing about it"
    assert curl(gateway, "https://secret-host.test/").status == 403
    desk.put("late-host.test")
    wait_for(lambda: compliant(gateway), "the end of the alarm")


def test_a_reload_without_the_list_is_refused_and_says_so(shared: tuple[Gateway, Desk]) -> None:
    gateway, desk = shared
    good = gateway.file.read_text()
    for edited in ({"statutory": {"sources": []}}, desk.settings("ctiru")):
        gateway.write_settings({**gateway.settings, **edited})
        done = gateway.command("reload")
        assert done.returncode == 1
        assert "cannot be removed" in done.stderr
        assert curl(gateway, "https://secret-host.test/").status == 403
    gateway.file.write_text(good)
    assert gateway.command("reload").returncode == 0


@pytest.mark.parametrize("action", ["allow", "bypass", "warn"])
def test_a_policy_that_opens_or_passes_the_hosts_opens_nothing_that_is_listed(
    shared: tuple[Gateway, Desk], action: str
) -> None:
    """A host with listed pages is decrypted whatever the policy says; going on past a warning is not offered."""
    gateway, _ = shared
    policy = gateway.folder / "policy.yaml"
    good = policy.read_text()
    policy.write_text(POLICY.read_text().replace("    rules:\n", "    rules:" + OPEN.format(action=action), 1))
    assert gateway.command("reload").returncode == 0
    for url in LISTED:
        answer = curl(gateway, f"https://{url}", "--path-as-is")
        assert (answer.status, answer.headers.get("x-schoolgate-reason")) == (403, "statutory"), url
        assert "schoolgate/continue" not in answer.text
    policy.write_text(good)
    assert gateway.command("reload").returncode == 0


def test_one_click_opens_nothing_that_is_listed(shared: tuple[Gateway, Desk]) -> None:
    """`schoolgate allow` makes an override; LOCKED stands above it."""
    gateway, _ = shared
    policy = gateway.folder / "policy.yaml"
    good = policy.read_text()
    policy.write_text(POLICY.read_text())
    assert gateway.command("reload").returncode == 0
    for host in ("filehost.test", "bank.test"):
        done = gateway.command("allow", host, "--for", "1h", "--reason", "a lesson")
        assert done.returncode == 0, done.stderr

    def tier() -> str:
        told = json.loads(gateway.command("explain", "http://filehost.test/page", "--band", "staff", "--json").stdout)
        return str(told["tier"])

    wait_for(lambda: tier() == "override", "the override to be in force")
    for url in LISTED[2:7]:
        assert curl(gateway, f"https://{url}", "--path-as-is").status == 403
    refused = gateway.command("allow", "terror-host.test", "--for", "1h", "--reason", "a lesson")
    assert refused.returncode == 1, "it says that it would change nothing"
    assert curl(gateway, "https://terror-host.test/").status == 403
    policy.write_text(good)
    assert gateway.command("reload").returncode == 0


# -- restarts, environment, stop ---------------------------------------------------------------------------------------


def test_a_restart_without_the_lists_starts_not_compliant_and_keeps_blocking(
    make_gateway: Make, tmp_path: Path
) -> None:
    """By an edited settings file, and by an environment that names another one."""
    desk = Desk(tmp_path / "drop")
    desk.put()
    gateway = make_gateway(desk.settings()).start()
    assert compliant(gateway)
    assert gateway.stop() == 0
    gateway.write_settings({})
    gateway.environment = {
        "SCHOOLGATE_SETTINGS": str(gateway.file),
        "SCHOOLGATE_STATUTORY": "off",
        "PYTHONOPTIMIZE": "2",
    }
    gateway.start()
    assert "NOT COMPLIANT" in gateway.output
    assert "no longer name it" in gateway.output
    assert not compliant(gateway)
    assert curl(gateway, "https://secret-host.test/").status == 403
    assert curl(gateway, "http://filehost.test/secret-page").status == 403


def test_copies_tampered_with_while_it_was_stopped_are_not_believed(make_gateway: Make, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "drop")
    desk.put()
    gateway = make_gateway(desk.settings()).start()
    assert gateway.stop() == 0
    for copy in (gateway.data / "statutory").glob("*.bundle"):
        copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    gateway.start()
    assert "tampered" in gateway.output
    assert compliant(gateway), "the offered files are good, so they are taken again"
    assert curl(gateway, "https://secret-host.test/").status == 403


def test_without_lists_it_goes_on_and_says_not_compliant(gateway: Gateway) -> None:
    """The laboratory's gateway has none: that is never green."""
    assert not compliant(gateway)
    told = status(gateway)
    assert [word in " ".join(told["problems"]) for word in ("IWF", "CTIRU")] == [True, True]
    assert "NOT COMPLIANT" in gateway.output


def test_a_school_that_wants_no_service_without_its_lists_gets_none(
    make_gateway: Make, tmp_path: Path, origin: Origin, name: str
) -> None:
    """`when_missing: stop`: closed while a list is missing, open by itself when it comes, closed when it is too old."""
    desk = Desk(tmp_path / "drop")
    gateway = make_gateway(desk.settings(when_missing="stop", stale="20s")).start()
    for scheme in ("http", "https"):
        answer = curl(gateway, f"{scheme}://{name}/closed")
        assert (answer.status, answer.headers["x-schoolgate-reason"]) == (503, "failure")
        assert "statutory list is missing" in answer.text
    assert not origin.contacted(name)
    row = gateway.wait_for_rows(2, path="/closed")[0]
    assert (row["blocked"], row["rule"], row["tier"]) == (True, "statutory-lists-missing", "locked")
    desk.put()
    wait_for(lambda: curl(gateway, f"https://{name}/page").status == 200, "the lists to be taken")
    assert curl(gateway, "https://secret-host.test/").headers["x-schoolgate-reason"] == "statutory"
    wait_for(lambda: curl(gateway, f"https://{name}/page").status == 503, "the lists to be too old", seconds=40)
    assert status(gateway)["closed"]
    desk.put()
    wait_for(lambda: curl(gateway, f"https://{name}/page").status == 200, "the new lists to be taken")
