"""Drafts of the policy in the console: written by form or as text, tried on real rows, read by a second person, undone.

Shows: `console.drafting`, `console.ruleform`, `console.pages.policydraft`, `console.pages.policyrule`,
`console.pages.policyhistory`, `console.pages.policywhatif`, `proxy.consolepolicy`, `proxy.policytaking`.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from console.roles import Role
from policy.engine import Engine
from policy.rules import PolicyErrors
from policy.ruletext import as_form
from proxy import doctor, inforce, policytaking
from proxy.settings import Settings
from registry import policies
from tests.console.rig import OFFICE, ORIGIN, Console, send, token_of

NUMBER = re.compile(r"/policy/drafts/(\d+)")


def begin(browser: TestClient, title: str = "Robots in Year 11", **more: str) -> str:
    """Begin a draft; its address."""
    answer = send(browser, "/policy", "/policy/begin", title=title, **more)
    assert answer.status_code == 303, answer.text
    found = NUMBER.match(answer.headers["location"])
    assert found, answer.headers["location"]
    return f"/policy/drafts/{found[1]}"


def told(browser: TestClient, path: str) -> Any:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def fields(page: Response) -> dict[str, str]:
    """What a browser would send of the form of a rule as it is shown."""
    found = dict(re.findall(r'<input (?:type="hidden" )?name="([a-z]+)" value="([^"]*)"', page.text))
    found |= dict.fromkeys(re.findall(r'type="checkbox" name="([^"]+)" value="yes" checked', page.text), "yes")
    found |= dict(re.findall(r'<textarea name="([a-z]+)"[^>]*>([^<]*)</textarea>', page.text))
    action = re.search(r'<option value="([a-z]+)" selected', page.text)
    return found | {"action": action[1] if action else "block", "do": "change"}


def edit(browser: TestClient, draft: str, rule: str, **changes: str) -> Response:
    """Open the form of a rule, change what is given (empty unticks), send it."""
    page = browser.get(f"{draft}/rule?rule={rule}")
    form = {**fields(page), **changes, "token": token_of(page)}
    form = {name: value for name, value in form.items() if value or name in ("who", "what", "when", "because", "until")}
    return browser.post(f"{draft}/rule", data=form, headers={"Origin": ORIGIN})


def step(browser: TestClient, draft: str, do: str, **more: str) -> Response:
    """Take a step with a draft as its page offers it."""
    page = browser.get(draft)
    found = dict(re.findall(r'name="(seen|against)" value="([0-9a-f]+)"', page.text))
    where = f"{draft}/publish" if do == "publish" else f"{draft}/step"
    form = {**found, "do": do, "token": token_of(page), **more}
    return browser.post(where, data=form, headers={"Origin": ORIGIN})


def in_force(console: Console) -> str:
    return (console.data / "policy.yaml").read_text(encoding="utf-8")


def whats(console: Console) -> list[str]:
    return [line.what for line in console.trail("change") if line.what.startswith("policy.")][::-1]


def test_a_harmless_change_by_its_author_from_form_to_file(console: Console) -> None:
    """Only the words that changed are written, and comments stay."""
    before = in_force(console)
    browser = console.signed_in(Role.ICT)
    draft = begin(browser)
    answer = edit(browser, draft, "pupils-ai", **{"who-ks3": "yes", "because": "AI tools are closed."})
    assert answer.headers["location"] == f"{draft}?done=write&rule=pupils-ai#rule-pupils-ai", answer.text
    seen = told(browser, f"{draft}.json")
    assert seen["changes"] == [{"kind": "changed", "name": "pupils-ai",
                                "words": ["is now also for Key Stage 3", "says “AI tools are closed.”"]}]  # fmt: skip
    assert seen["risks"] == []
    assert in_force(console) == before
    page = browser.get(draft).text
    assert "is now also for Key Stage 3" in page
    assert '<span class="good">+         who: [ks4, ks5, ks3]' in page
    assert step(browser, draft, "publish").status_code == 422
    done = step(browser, draft, "publish", why="the head decided")
    assert done.headers["location"].startswith("/policy/history/"), done.text
    after = in_force(console)
    ai = "who: [ks4, ks5]\n        what: [ai-chat]"
    assert after == before.replace(ai, ai.replace("ks5]", "ks5, ks3]")).replace(
        "AI tools are closed until the school has assessed one and opened it.", "AI tools are closed."
    )
    assert (console.data / "policy.yaml").stat().st_mode & 0o777 == 0o640
    assert "Key Stage 3" in next(
        row["who"] for row in told(browser, "/policy.json")["rules"] if row["rule"] == "pupils-ai"
    )
    assert whats(console) == ["policy.draft.begin", "policy.draft.write", "policy.keep", "policy.publish"]
    line = next(line for line in console.trail("change") if line.what == "policy.publish")
    assert (line.why, line.after["risks"]) == ("the head decided", [])
    assert told(browser, "/why.json?url=https://chatgpt.com&band=ks3")["answer"]["rule"]


def test_a_risky_change_is_published_by_somebody_else_and_undone_by_the_same_rules(console: Console) -> None:
    before = in_force(console)
    technician, ict, leader = (console.signed_in(role) for role in (Role.TECHNICIAN, Role.ICT, Role.LEADER))
    draft = begin(technician)
    assert edit(technician, draft, "pupils-ai", action="warn").status_code == 303
    assert told(technician, f"{draft}.json")["risks"][0] == "pupils-ai takes away a rule that blocks"
    assert "Publish: in force" not in technician.get(draft).text
    assert step(technician, draft, "publish", why="x").status_code == 403
    assert "nobody has asked for a review" in leader.get(draft).text
    assert step(technician, draft, "ask").status_code == 422
    assert step(technician, draft, "ask", why="one AI was assessed").status_code == 303
    assert edit(ict, draft, "pupils-ai", because="Ask first.").status_code == 303
    assert step(technician, draft, "ask", why="one AI was assessed").status_code == 303
    alone = step(ict, draft, "publish", why="fine", against=policies.digest_of(before))
    assert (alone.status_code, "second person" in alone.text) == (422, True), alone.text
    assert in_force(console) == before
    done = step(leader, draft, "publish", why="agreed")
    assert done.status_code == 303, done.text
    version = done.headers["location"].partition("?")[0]
    assert "action: warn" in in_force(console)
    assert told(leader, f"{version}.json")["changes"][0]["words"][0] == "is open only after a warning instead of closed"
    old = told(leader, "/policy/history.json")["versions"]
    assert {one["title"] for one in old} == {"As it was in its file", "Robots in Year 11"}
    kept = next(one for one in old if one["title"] == "As it was in its file")
    back = begin(technician, "Back again", **{"from": str(kept["id"])})
    assert told(technician, f"{back}.json")["risks"] == []
    assert step(ict, back, "publish", why="it was too early").status_code == 303
    assert in_force(console) == before


def test_what_would_it_have_done(console: Console) -> None:
    """Counted over real rows; hosts are told of three people and more, names only when asked for; looks are noted."""
    row = {"host": "chatgpt.com", "site": None, "scheme": "https", "port": 443, "path": "/", "query": None}
    pupils = [{**row, "user": f"pupil-{number % 4}", "band": "ks3", "groups": ()} for number in range(8)]
    games = {
        "host": "games.schoolgate.test",
        "user": "teacher",
        "band": "staff",
        "groups": ("technicians",),
        "site": None,
    }
    console.store(*pupils, games, {**games, "reason": "guard"})
    browser = console.signed_in(Role.TECHNICIAN)
    draft = begin(browser)
    assert edit(browser, draft, "trust-under-13", **{"who-ks3": ""}).status_code == 303
    assert as_form(text_of(console, draft), "trust-under-13")["who"] == ["eyfs", "ks1", "ks2"]
    seen = told(browser, f"{draft}/what-if.json")
    assert (seen["looked_at"], seen["people"], seen["left_out"], seen["whole"]) == (9, 5, 1, True)
    assert seen["sentence"] == "It would have opened 8 requests of 4 people."
    opened = seen["turned"]["opened"]
    assert opened["hosts"] == [{"host": "chatgpt.com", "requests": 8}]
    assert "who" not in opened
    named = told(browser, f"{draft}/what-if.json?who=yes&hours=1")
    assert {one["name"] for one in named["turned"]["opened"]["who"]} == {f"pupil-{number}" for number in range(4)}
    looks = [line.after["asked"] for line in console.trail("look") if "what-if" in str(line.after)]
    assert [look.endswith("with names") for look in looks] == [True, False]
    page = browser.get(f"{draft}/what-if?who=yes").text
    assert "It would have opened 8 requests of 4 people." in page
    assert "pupil-3: 2" in page
    own = console.signed_in(Role.ICT, proxy="Pupil-3")
    names = told(own, f"{draft}/what-if.json?who=yes")["turned"]["opened"]["who"]
    assert "pupil-3" not in {one["name"] for one in names}


def test_what_if_is_no_way_to_one_persons_history(console: Console) -> None:
    """A rule about one account needs a reason, and the trail names whom; it tells numbers, and no hosts."""
    console.store({"host": "news.example", "user": "dana", "band": "staff", "site": None})
    browser = console.signed_in(Role.TECHNICIAN)
    draft = begin(browser)
    page = browser.get(f"{draft}/text")
    text = text_of(console, draft).replace(
        "    rules:\n", "    rules:\n      - {rule: spy, who: ['user:dana'], action: block}\n", 1
    )
    form = {"text": text, "seen": fields(page)["seen"], "token": token_of(page)}
    assert browser.post(f"{draft}/text", data=form, headers={"Origin": ORIGIN}).status_code == 303
    assert browser.get(f"{draft}/what-if.json").status_code == 403
    assert browser.get(f"{draft}/what-if").headers["location"].startswith("/reason?user=dana")
    assert send(browser, "/reason?user=dana", "/reason", user="dana", why="the head asked").status_code == 303
    seen = told(browser, f"{draft}/what-if.json")["turned"]["blocked"]
    line = next(line for line in console.trail("look") if line.subject == "dana")
    assert line.why == "the head asked"
    assert (seen["requests"], seen["people"], seen["hosts"], seen["few"]) == (1, 1, [], True)
    assert "Not told for so few people" in browser.get(f"{draft}/what-if").text


def test_rules_are_moved_added_and_taken_out(console: Console) -> None:
    browser = console.signed_in(Role.TECHNICIAN)
    draft = begin(browser)
    page = browser.get(draft)
    common = {"token": token_of(page), "seen": fields(page)["seen"]}

    def send_rule(**form: str) -> Response:
        common["seen"] = policies.digest_of(text_of(console, draft))
        return browser.post(f"{draft}/rule", data={**common, **form}, headers={"Origin": ORIGIN})

    assert send_rule(do="move", was="pupils-ai", steps="2").status_code == 303
    assert told(browser, f"{draft}.json")["changes"][0]["words"] == ["now stands after pupils-trading"]
    assert send_rule(do="move", was="pupils-ai", steps="-2").status_code == 303
    assert told(browser, f"{draft}.json")["changes"] == []
    new = {"rule": "no-chess", "what": "host:chess.com\nhost:chess.example", "action": "block", "who-ks4": "yes"}
    assert send_rule(do="add", into="3", after="pupils-ai", **new).status_code == 303
    assert "A new rule" in browser.get(f"{draft}/rule?into=3&after=no-chess").text
    (change,) = told(browser, f"{draft}.json")["changes"]
    assert change["words"] == ["Chess.com and chess.example: closed for Key Stage 4"]
    assert send_rule(do="remove", was="no-chess").status_code == 303
    assert told(browser, f"{draft}.json")["changes"] == []
    assert send_rule(do="remove", was="oakwood-chess-club").status_code == 422
    assert send_rule(do="move", was="pupils-ai", steps="far").status_code == 422
    assert send_rule(do="", was="pupils-ai").status_code == 422


def test_a_form_with_mistakes_tells_every_one_and_keeps_what_was_typed(console: Console) -> None:
    browser = console.signed_in(Role.TECHNICIAN)
    draft = begin(browser)
    answer = edit(browser, draft, "pupils-ai", what="gamez\nhost:no..host", who="group:year-99", until="soon")
    assert answer.status_code == 422
    for words in ("did you mean &#39;games&#39;?", "no..host", "unknown group", "is not a time", "line "):
        assert words in answer.text, words
    assert "gamez" in fields(answer)["what"]
    assert "group:year-99" in fields(answer)["who"]
    assert told(browser, f"{draft}.json")["changes"] == []
    page = browser.get(f"{draft}/text")
    form = {"text": "schoolgate: 2\npolicies: x\n", "seen": fields(page)["seen"], "token": token_of(page)}
    answer = browser.post(f"{draft}/text", data=form, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.text.count("line ") >= 2) == (422, True)
    assert "schoolgate: 2" in answer.text


def test_two_who_write_at_once_follow_each_other(console: Console) -> None:
    one, other = console.signed_in(Role.TECHNICIAN), console.signed_in(Role.TECHNICIAN)
    draft = begin(one)
    stale = one.get(f"{draft}/rule?rule=pupils-ai")
    assert edit(other, draft, "pupils-ai", because="Other.").status_code == 303
    form = {**fields(stale), "token": token_of(stale), "because": "Mine."}
    answer = one.post(f"{draft}/rule", data=form, headers={"Origin": ORIGIN})
    assert (answer.status_code, "somebody else has written" in answer.text) == (422, True)


def test_what_is_published_is_what_was_compared(console: Console) -> None:
    """When the policy in force changes while somebody reads, they look again."""
    browser = console.signed_in(Role.ICT)
    first, second = begin(browser, "One"), begin(browser, "Two")
    for draft, words in ((first, "One."), (second, "Two.")):
        assert edit(browser, draft, "pupils-ai", because=words).status_code == 303
    old = policies.digest_of(in_force(console))
    assert step(browser, first, "publish", why="x").status_code == 303
    answer = step(browser, second, "publish", why="x", against=old)
    assert (answer.status_code, "has changed" in answer.text) == (422, True)
    assert "would take those changes back" in browser.get(second).text
    assert send(browser, "/me", f"{first}/step", do="withdraw").status_code == 409


def test_of_two_who_publish_at_once_the_second_looks_again(console: Console) -> None:
    """What the first published is in the register, and not in force yet."""
    browser = console.signed_in(Role.ICT)
    draft = begin(browser)
    assert edit(browser, draft, "pupils-ai", because="Two.").status_code == 303
    with console.engine.begin() as connection:
        first = policies.start(connection, in_force(console) + "# one\n", OFFICE, title="one", base="")
        policies.publish(connection, first.id, OFFICE, seen=first.digest, risks=[], changes=[])
    answer = step(browser, draft, "publish", why="x")
    assert (answer.status_code, "was published just now" in answer.text) == (422, True), answer.text
    assert "policy.keep" not in whats(console)


def test_one_site_changes_its_own_rules_and_sees_no_more(console: Console) -> None:
    here, trust = console.signed_in(Role.ICT, "oakwood"), console.signed_in(Role.ICT)
    theirs = begin(trust, "The trust's")
    assert here.get(f"{theirs}.json").status_code == 404
    draft = begin(here, "Chess")
    assert edit(here, draft, "pupils-ai", because="Mine.").status_code == 422
    assert here.get(f"{draft}/text").status_code == 403
    assert here.get(draft.replace("drafts", "versions") + "/file").status_code == 403
    assert edit(here, draft, "oakwood-chess-club", what="host:lichess.org\nhost:chess.com").status_code == 303
    seen = told(here, f"{draft}.json")
    assert (seen["draft"]["site"], seen["risks"]) == ("oakwood", [])
    page = here.get(draft).text
    assert "riverside" not in page
    assert "Edit oakwood-chess-club" in page
    assert "Edit pupils-ai" not in page
    assert step(here, draft, "publish", why="the club asked").status_code == 303
    assert [one["title"] for one in told(here, "/policy/history.json")["versions"]] == ["Chess"]
    assert told(console.signed_in(Role.GOVERNOR, "riverside"), "/policy/history.json")["versions"] == []


def test_a_governor_reads_the_history_without_names(console: Console) -> None:
    browser = console.signed_in(Role.ICT)
    draft = begin(browser, "Because of dana")
    page = browser.get(f"{draft}/text")
    text = text_of(console, draft).replace("who: [ks4, ks5]\n        what: [ai-chat]",
                                           "who: [ks4, ks5, 'user:dana']\n        what: [ai-chat]")  # fmt: skip
    form = {"text": text, "seen": fields(page)["seen"], "token": token_of(page)}
    assert browser.post(f"{draft}/text", data=form, headers={"Origin": ORIGIN}).status_code == 303
    done = step(browser, draft, "publish", why="dana asked")
    version = done.headers["location"].partition("?")[0]
    governor = console.signed_in(Role.GOVERNOR)
    for path in (version, f"{version}.json", "/policy/history", "/policy/history.csv"):
        assert "dana" not in governor.get(path).text, path
    assert "is now also for 1 account" in governor.get(version).text
    assert "user:dana" in browser.get(version).text
    assert governor.get(draft).status_code == 403


def test_a_file_that_is_edited_elsewhere_is_not_written(console: Console) -> None:
    """Unless the settings allow it: then a text nobody could find again is kept beside it."""
    before = in_force(console)
    ours = console.data / "ours.yaml"
    ours.write_text(before, encoding="utf-8")
    doors: Any = console.house.doors
    doors._settings = Settings(data=console.data, policy=ours)
    browser = console.signed_in(Role.ICT)
    draft = begin(browser)
    assert edit(browser, draft, "pupils-ai", because="Closed.").status_code == 303
    page = browser.get(draft).text
    assert "edited elsewhere" in page
    assert "Publish: in force" not in page
    text = browser.get(draft.replace("drafts", "versions") + "/file")
    assert "because: Closed." in text.text
    assert step(browser, draft, "publish", why="x", against=policies.digest_of(before)).status_code == 422
    doors._settings = Settings(data=console.data, policy=ours, console={"writes_policy": True})
    assert step(browser, draft, "publish", why="x").status_code == 303
    assert "because: Closed." in ours.read_text(encoding="utf-8")


def test_what_was_edited_by_hand_is_kept_and_said(console: Console) -> None:
    browser = console.signed_in(Role.ICT)
    draft = begin(browser)
    assert edit(browser, draft, "pupils-ai", because="One.").status_code == 303
    assert step(browser, draft, "publish", why="x").status_code == 303
    file = console.data / "policy.yaml"
    by_hand = in_force(console) + "# by hand\n"
    file.write_text(by_hand, encoding="utf-8")
    second = begin(browser)
    assert edit(browser, second, "pupils-ai", because="Two.").status_code == 303
    assert step(browser, second, "publish", why="x").status_code == 303
    (kept,) = console.data.glob("policy.yaml.*.kept")
    assert kept.read_text(encoding="utf-8") == by_hand
    (console.data / "run" / "policy-in-force.json").unlink()
    file.write_text(by_hand, encoding="utf-8")
    assert "edited outside the console" in browser.get("/policy/history").text


def test_what_a_gateway_does_not_take_leaves_the_old_one(console: Console) -> None:
    before = in_force(console)
    settings = Settings(data=console.data)
    assert policytaking.waiting(settings) is None
    with console.engine.begin() as connection:
        made = policies.start(connection, "schoolgate: 1\npolicies: [1]\n", OFFICE, title="bad", base="")
        policies.publish(connection, made.id, OFFICE, seen=made.digest, risks=[], changes=[])
    version = policytaking.waiting(settings)
    assert version is not None
    with pytest.raises(PolicyErrors):
        policytaking.take(settings, version, inforce.accept)
    assert in_force(console) == before
    assert "a policy needs" in policytaking.mark_of(settings).problem
    assert policytaking.waiting(settings, again=False) is None
    assert policytaking.waiting(settings) == version

    def fails(_: Settings) -> Engine:
        raise OSError("no room")

    with console.engine.begin() as connection:
        good = policies.start(connection, before + "# good\n", OFFICE, title="good", base="")
        version = policies.publish(connection, good.id, OFFICE, seen=good.digest, risks=[], changes=[])
    with pytest.raises(OSError, match="no room"):
        policytaking.take(settings, version, fails)
    assert in_force(console) == before
    assert any(one.what == "policy" and one.level == "bad" for one in doctor.examine(settings))
    policytaking.take(settings, version, inforce.accept)
    assert in_force(console).endswith("# good\n")
    assert policytaking.waiting(settings) is None


def text_of(console: Console, draft: str) -> str:
    with console.engine.connect() as connection:
        return policies.get(connection, int(draft.rpartition("/")[2])).text
