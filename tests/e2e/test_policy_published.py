"""A policy published in the console is in force on every worker, or the old one stays; and every gateway takes it.

Shows: `proxy.policytaking`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from logstore.db import open_catalog
from policy.ruletext import added
from proxy.consoledoors import GatewayDoors
from proxy.settings import Settings, load_settings
from registry import policies
from registry.change import By, RegistryError
from tests.rig.clients import Browser
from tests.rig.gateway import TEACHER, Gateway
from tests.rig.waiting import wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory, origin: Any, authority: Any) -> Iterator[Gateway]:
    """A gateway with two workers, with its policy in its data folder."""
    gateway = Gateway(tmp_path_factory.mktemp("published"), origin=origin.address, trust=authority.pem, policy=None,
                      settings={"proxy": {"workers": 2}, "identity": {"places": PLACES}})  # fmt: skip
    try:
        yield gateway.start()
        gateway.stop()
    finally:
        gateway.kill()


PLACES = [{"network": "127.0.2.0/24", "site": "oakwood", "band": "staff", "groups": ["teaching-staff"]}]


def settings_of(gateway: Gateway) -> Settings:
    return load_settings(gateway.file).model_copy(update={"data": gateway.data})


def by(why: str = "tried") -> By:
    return By("console:dana", datetime.now(UTC), why)


def closed(text: str, host: str) -> str:
    """The policy with one host closed."""
    rule = {"rule": "closed-" + host.replace(".", "-"), "what": [f"host:{host}"], "action": "block"}
    return added(text, 0, rule)


def draft(gateway: Gateway, text: str) -> policies.Version:
    engine = open_catalog(settings_of(gateway).store)
    try:
        with engine.begin() as connection:
            return policies.start(connection, text, by(), title="tried", base="")
    finally:
        engine.dispose()


def published_elsewhere(gateway: Gateway, text: str) -> None:
    """As another gateway's console publishes it: in the register alone."""
    made, engine = draft(gateway, text), open_catalog(settings_of(gateway).store)
    try:
        with engine.begin() as connection:
            policies.publish(connection, made.id, by(), seen=made.digest, risks=[], changes=[])
    finally:
        engine.dispose()


def gets(gateway: Gateway, host: str) -> set[int]:
    """What fresh connections get, enough of them to meet every worker; 0 is one that was under way and was cut."""
    found = set()
    for _ in range(8):
        with Browser(gateway, source=TEACHER) as browser:
            try:
                found.add(browser.fetch(f"https://{host}/page").status)
            except ConnectionError:
                found.add(0)
    return found


def test_published_it_is_in_force_on_every_worker_and_on_open_connections(school: Gateway, name: str) -> None:
    doors = GatewayDoors(settings_of(school))
    with Browser(school, source=TEACHER) as browser:
        assert browser.fetch(f"https://{name}/page").status == 200
        now = doors.policy_text()
        made = draft(school, closed(now.text, name))
        said = doors.publish_policy(made.id, by(), seen=made.digest, against=now.digest)
        assert said == "In force on all 2 workers."
        assert browser.fetch(f"https://{name}/page").status == 403
    assert gets(school, name) == {403}
    assert (school.data / "policy.yaml").read_text(encoding="utf-8") == made.text
    status = json.loads((school.data / "run" / "policy-taken.json").read_text())
    assert status == {"number": made.id, "problem": "", "taken": made.id}
    back, engine = draft(school, now.text), open_catalog(settings_of(school).store)
    with pytest.raises(RegistryError, match="second person"):
        doors.publish_policy(back.id, by(), seen=back.digest, against=made.digest)
    with engine.begin() as connection:
        policies.ask(connection, back.id, by(), seen=back.digest)
    engine.dispose()
    sam = By("console:sam", datetime.now(UTC), "agreed")
    doors.publish_policy(back.id, sam, seen=back.digest, against=made.digest)
    assert gets(school, name) == {200}


def test_what_another_gateway_published_is_taken_by_itself(school: Gateway, name: str) -> None:
    text = GatewayDoors(settings_of(school)).policy_text().text
    published_elsewhere(school, closed(text, name))
    wait_for(lambda: gets(school, name) == {403}, "the gateway to take it", seconds=30)


def test_a_policy_that_does_not_build_here_leaves_the_old_one_and_is_said(school: Gateway, name: str) -> None:
    """Its console refuses it at once; one from elsewhere is logged, and the doctor knows."""
    doors = GatewayDoors(settings_of(school))
    now = doors.policy_text()
    broken = closed(now.text, name).replace("action: block\n", "action: block\n        until: never\n", 1)
    made = draft(school, broken)
    with pytest.raises(RegistryError, match="is not a time"):
        doors.publish_policy(made.id, by(), seen=made.digest, against=now.digest)
    published_elsewhere(school, broken)
    wait_for(lambda: "is not in force here" in school.output, "the gateway to say so", seconds=30)
    assert gets(school, name) == {200}
    assert doors.policy_text() == now
    found = json.loads(school.command("doctor", "--json").stdout)
    assert [one["level"] for one in found if one["what"] == "policy"] == ["bad"]
