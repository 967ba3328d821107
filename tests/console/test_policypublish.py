"""Publishing when more than one thing happens at once: two people, a file edited by hand, a gateway that refuses.

Shows: `proxy.consolepolicy`, `proxy.policytaking`, `registry.samepeople`, `console.oneatatime`.
"""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from console.drafting import _differing
from console.oneatatime import Turns
from console.roles import Role
from policy.rules import PolicyErrors, PolicyProblem
from proxy import consolepolicy, inforce, policytaking
from proxy.settings import Settings
from registry import policies
from registry.policies import Version
from tests.console.rig import OFFICE, ORIGIN, Console, send, token_of
from tests.console.test_policydraft import begin, edit, fields, in_force, step, text_of


def write(console: Console, browser: TestClient, draft: str, old: str, new: str) -> None:
    """Edit the text of a draft."""
    page = browser.get(f"{draft}/text")
    text = text_of(console, draft)
    assert old in text
    form = {"text": text.replace(old, new, 1), "seen": fields(page)["seen"], "token": token_of(page)}
    assert browser.post(f"{draft}/text", data=form, headers={"Origin": ORIGIN}).status_code == 303


def published(console: Console, browser: TestClient, words: str) -> str:
    """Publish a sentence; the text then in force."""
    draft = begin(browser, words)
    assert edit(browser, draft, "pupils-ai", because=words).status_code == 303
    assert step(browser, draft, "publish", why="x").status_code == 303
    return in_force(console)


def test_a_block_published_while_another_is_tried_is_not_taken_back(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was compared is no longer what is in force: the second looks again."""
    one, two = console.signed_in(Role.ICT), console.signed_in(Role.ICT)
    first, second = begin(one, "close chess"), begin(two, "words")
    block = "    rules:\n      - {rule: stop-chess, what: ['host:chess.com'], action: block}\n"
    write(console, one, first, "    rules:\n", block)
    assert edit(two, second, "pupils-ai", because="New words.").status_code == 303
    real, answers = consolepolicy.PolicyWork._tried, list[int]()

    def tried(self: consolepolicy.PolicyWork, version: Version) -> Any:
        built = real(self, version)
        if version.title == "words":
            answers.append(step(one, first, "publish", why="an incident").status_code)
        return built

    monkeypatch.setattr(consolepolicy.PolicyWork, "_tried", tried)
    late = step(two, second, "publish", why="words")
    assert (answers, late.status_code, "was published just now" in late.text) == ([303], 422, True), late.text
    assert "stop-chess" in in_force(console)


def test_a_draft_takes_over_what_was_published_meanwhile(console: Console) -> None:
    """Both changes are in it then; it is begun from the policy in force, and a review of it begins anew."""
    one, two = console.signed_in(Role.ICT), console.signed_in(Role.ICT)
    draft = begin(one, "close chess")
    assert "Take those changes over" not in one.get(draft).text
    block = "    rules:\n      - {rule: stop-chess, what: ['host:chess.com'], action: block}\n"
    write(console, one, draft, "    rules:\n", block)
    assert step(one, draft, "ask", why="it is played in lessons").status_code == 303
    published(console, two, "AI is closed.")
    assert one.get(f"{draft}.json").json()["in_force_changed"]
    assert len(one.get(f"{draft}.json").json()["changes"]) == 2, "its own, and that of the other taken back"
    assert step(one, draft, "follow").headers["location"] == f"{draft}?done=follow"
    told = one.get(f"{draft}.json").json()
    assert ([change["name"] for change in told["changes"]], told["in_force_changed"]) == (["stop-chess"], False)
    assert told["draft"]["state"] == "draft"
    assert "AI is closed." in text_of(console, draft)


def test_a_draft_that_collides_with_what_was_published_stays_as_it_is(console: Console) -> None:
    """Both are told, and a person decides."""
    one, two = console.signed_in(Role.ICT), console.signed_in(Role.ICT)
    draft = begin(one, "words")
    assert edit(one, draft, "pupils-ai", because="Not yet.").status_code == 303
    before = text_of(console, draft)
    published(console, two, "Never.")
    answer = step(one, draft, "follow")
    assert answer.status_code == 422
    assert "Not yet." in answer.text
    assert "Never." in answer.text
    assert "otherwise, in the policy in force" in answer.text
    assert text_of(console, draft) == before


def test_a_refused_version_brings_no_older_one_back(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file was put back by hand to what was published before: that is in force, and stays."""
    settings, ict = Settings(data=console.data), console.signed_in(Role.ICT)
    first = published(console, ict, "One.")
    published(console, ict, "Two.")
    (console.data / "policy.yaml").write_text(first, encoding="utf-8")
    inforce.accept(settings)
    draft = begin(ict, "Three.")
    assert edit(ict, draft, "pupils-ai", because="Three.").status_code == 303

    def refuses(_: Settings) -> Any:
        raise PolicyErrors((PolicyProblem("policy.yaml", 1, "lists changed meanwhile", "look again"),))

    with monkeypatch.context() as changed:
        changed.setattr(inforce, "accept", refuses)
        answer = step(ict, draft, "publish", why="x")
    assert (answer.status_code, "lists changed meanwhile" in answer.text) == (409, True), answer.text
    assert in_force(console) == first
    assert policytaking.waiting(settings, again=False) is None
    assert policytaking.waiting(settings) is None
    assert "because: Four." in published(console, ict, "Four.")


def test_a_version_taken_here_and_refused_elsewhere_goes_back(console: Console) -> None:
    """To what was in force before it."""
    settings, ict = Settings(data=console.data), console.signed_in(Role.ICT)
    before = published(console, ict, "One.")
    published(console, ict, "Two.")
    with console.engine.begin() as connection:
        newest = policies.newest(connection)
        assert newest is not None
        policies.refuse(connection, newest.id, "does not build", OFFICE)
    back = policytaking.waiting(settings, again=False)
    assert back is not None
    assert back.text == before


def test_without_its_mark_a_gateway_replaces_no_file_of_its_own(console: Console) -> None:
    """The run folder was not restored: what was edited by hand stays until the next version."""
    settings, ict = Settings(data=console.data), console.signed_in(Role.ICT)
    published(console, ict, "One.")
    by_hand = in_force(console) + "# by hand\n"
    (console.data / "policy.yaml").write_text(by_hand, encoding="utf-8")
    (console.data / "run" / "policy-taken.json").unlink()
    (console.data / "run" / "policy-in-force.json").unlink()
    assert policytaking.waiting(settings, again=False) is None
    assert policytaking.waiting(settings) is None
    inforce.accept(settings)
    assert "because: Two." in published(console, ict, "Two.")
    with console.engine.connect() as connection:
        assert policies.known(connection, policies.digest_of(by_hand)) is not None


def test_without_its_mark_a_gateway_takes_what_is_newer_than_its_file(console: Console) -> None:
    """A file that is an older version was published here, and so is what replaces it."""
    settings, ict = Settings(data=console.data), console.signed_in(Role.ICT)
    first = published(console, ict, "One.")
    second = published(console, ict, "Two.")
    (console.data / "policy.yaml").write_text(first, encoding="utf-8")
    (console.data / "run" / "policy-taken.json").unlink()
    inforce.accept(settings)
    version = policytaking.waiting(settings)
    assert version is not None
    assert version.text == second


def test_two_accounts_of_one_person_are_no_two_people(console: Console) -> None:
    """Neither for a risky change nor for the release of a hold."""
    one = console.signed_in(Role.TECHNICIAN, proxy="jane")
    two = console.signed_in(Role.ICT, proxy="Jane")
    draft = begin(one)
    assert edit(one, draft, "pupils-ai", action="warn").status_code == 303
    assert step(one, draft, "ask", why="x").status_code == 303
    alone = step(two, draft, "publish", why="y")
    assert (alone.status_code, "second person" in alone.text) == (422, True), alone.text
    assert step(console.signed_in(Role.ICT, proxy="sam"), draft, "publish", why="y").status_code == 303

    form = {"case": "CASE-1", "why": "bullying", "review": "90d", "user": "pupil-0417"}
    console.store({"user": "pupil-0417"})
    leader = console.signed_in(Role.LEADER, proxy="jane")
    assert send(two, "/holds", "/holds/place", **form).status_code == 303
    assert send(two, "/holds/1", "/holds/1/step", do="sign", why="closed").status_code == 303
    alone = send(leader, "/holds/1", "/holds/1/step", do="approve", why="closed")
    assert (alone.status_code, "two different people" in alone.text) == (422, True)


def test_what_if_tells_no_host_that_fewer_than_three_people_met(console: Console) -> None:
    """Nor who asked for it, beside others who asked for something else."""
    rows = [{"host": host, "user": "dana", "band": "staff", "site": None} for host in ("union.example", "a.example")]
    rows += [{"host": "a.example", "user": user, "band": "staff", "site": None} for user in ("lee", "sam")]
    console.store(*rows)
    browser = console.signed_in(Role.TECHNICIAN)
    draft = begin(browser)
    hosts = "what: ['host:a.example', 'host:union.example']"
    write(console, browser, draft, "    rules:\n", f"    rules:\n      - {{rule: no, {hosts}, action: block}}\n")
    seen = browser.get(f"{draft}/what-if.json?who=yes").json()["turned"]["blocked"]
    assert (seen["requests"], seen["people"], seen["few"]) == (4, 3, False)
    assert seen["hosts"] == [{"host": "a.example", "requests": 3}]
    assert sorted((one["name"], one["requests"]) for one in seen["who"]) == [("dana", 1), ("lee", 1), ("sam", 1)]


def test_a_text_that_is_too_long_is_no_draft_and_a_comparison_is_bounded(console: Console) -> None:
    """What each look at a draft costs does not grow with the square of what somebody wrote."""
    browser = console.signed_in(Role.ICT)
    draft = begin(browser)
    page, text = browser.get(f"{draft}/text"), text_of(console, draft)
    form = {"seen": fields(page)["seen"], "token": token_of(page), "text": text + "# x\n" * 100_000}
    answer = browser.post(f"{draft}/text", data=form, headers={"Origin": ORIGIN})
    assert (answer.status_code, "a policy at most 400,000" in answer.text) == (422, True)
    assert len(list(_differing("a\n" * 90_000, "b\n" * 90_000))) == 1
    assert [words for _, words in _differing("a\n", "b\n")][1:] == ["a", "b"]


def test_one_costly_page_at_a_time_for_each_account() -> None:
    """Somebody else has a turn of their own."""
    turns = Turns()
    with turns.of("anna") as first, turns.of("anna") as again, turns.of("sam") as other:
        assert (first, again, other) == (True, False, True)
    with turns.of("anna") as later:
        assert later
