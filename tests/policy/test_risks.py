"""Which changes need a second person: a table of them, and a search for one that opens harm and is called harmless."""

from __future__ import annotations

import importlib.resources
import itertools
from dataclasses import fields, replace
from datetime import datetime
from random import Random

import pytest

from categories.names import canonical_url
from policy.client import Band, Client
from policy.comparing import compare
from policy.engine import Engine
from policy.kinds import SIGNALLED
from policy.model import Action, Request, Verdict
from policy.risks import CLOSED_BY_HAND, covers, risks
from policy.rows import Group, People, Policy, Rule, RuleSet, Site, Things, When
from policy.rules import load_policy
from policy.schedule import Period
from tests.policy.lists import PlainIndex
from tests.policy.school import LONDON, TAXONOMY

PRESET = (importlib.resources.files("policy") / "presets" / "trust.yaml").read_text(encoding="utf-8")
AI = "who: [ks4, ks5]\n        what: [ai-chat]\n        action: block"
BANKS = "what: [banking]\n        action: bypass"
GAMES_KS4 = "what: [games, streaming, music, entertainment, shopping]\n        when: [lesson, break]"


def read(text: str) -> Policy:
    return load_policy(text, file="t", categories=TAXONOMY)


BEFORE = read(PRESET)


def rule(name: str, words: str) -> str:
    return f"      - rule: {name}\n        {words}\n"


def after(old: str, new: str) -> Policy:
    assert old in PRESET, old
    return read(PRESET.replace(old, new, 1))


END = "      # Guests read the web and their mail.\n"
START_OF_SITE = "      - rule: oakwood-chess-club\n"
START_OF_DEFAULT = "      - rule: updates\n"
START_OF_TRUST = "      - rule: trust-malware\n"
HARMLESS = {
    "a comment": ("schoolgate: 1", "# ours\nschoolgate: 1"),
    "words for people": ("Pupils use only their school e-mail account.", "No private mail."),
    "the trust's name": ("trust: Example Learning Trust", "trust: Another"),
    "a group's title": ("title: Year 9}", "title: Year Nine}"),
    "a new group without a band": ("groups:\n", "groups:\n  esports: {title: Esports}\n"),
    "a new schedule": ("schedules:\n", 'schedules:\n  homework: {times: ["16:00-18:00"]}\n'),
    "a block that is new": (END, rule("no-chess", "what: [host:chess.com]\n        action: block") + END),
    "a block for more people": (AI, AI.replace("[ks4, ks5]", "[ks4, ks5, guest]")),
    "a block of more": ("what: [webmail]\n", "what: [webmail, games]\n"),
    "a block at all times": (GAMES_KS4, GAMES_KS4.rpartition("\n")[0]),
    "an exception less": ('who: [staff, "not group:technicians"]', "who: [staff]"),
    "a site somebody named": ("host:lichess.org", "host:chess.com"),
    "a site more for a club": ("[host:lichess.org]", "[host:lichess.org, host:chess.com]"),
    "a club that ends": ("when: [after-school]\n", "when: [after-school]\n        until: 2027-07-21\n"),
    "no club": ("who: [ks2]\n        what: [host:lic", "who: [group:year-6]\n        what: [host:lic"),
    "a neutral category below what closes harm": (END, rule("games-open", "who: [ks5]\n        what: [games]\n        "
                                                            "action: allow") + END),
    "a warning becomes a block": ("what: [social-media]\n        when: [lesson]\n        action: warn",
                                  "what: [social-media]\n        when: [lesson]\n        action: block"),
}  # fmt: skip
RISKY = {
    "a block of harm is gone": ("what: [drugs, alcohol-tobacco, vaping]", "what: [drugs]", "no longer blocks"),
    "a block becomes a warning": (AI, AI.replace("block", "warn"), "takes away a rule that blocks"),
    "a block for fewer people": (AI, AI.replace("[ks4, ks5]", "[ks4]"), "no longer blocks"),
    "a block with an exception": (AI, AI.replace("[ks4, ks5]", "[ks4, ks5, 'not group:year-13']"), "no longer blocks"),
    "a block at fewer times": (GAMES_KS4, GAMES_KS4.replace(", break", ""), "no longer blocks"),
    "a block at one site": (AI, f"{AI}\n        where: [oakwood]", "no longer blocks"),
    "a block that ends": (AI, f"{AI}\n        until: 2027-01-01", "no longer blocks"),
    "harm that opens": (END, rule("b", "who: [staff]\n        what: [gambling]\n        action: allow") + END, "opens"),
    "harm with a warning": (END, rule("b", "who: [ks5]\n        what: [dating]\n        action: warn") + END, "opens"),
    "a way round": (END, rule("vpns", "who: [staff]\n        what: [vpn]\n        action: allow") + END, "opens"),
    "everything": (END, rule("all", "who: [ks5]\n        action: allow") + END, "nobody has named"),
    "what is in no list": (END, rule("un", "who: [ks3]\n        what: [uncategorised]\n        action: allow") + END,
                           "nobody has named"),
    "a form of request": (END, rule("ip", "who: [staff]\n        what: ['signal:no-sni']\n        action: allow") + END,
                          "nobody has named"),
    "a whole top level": (END, rule("tl", "who: [ks5]\n        what: ['host:co.uk']\n        action: allow") + END,
                          "every site below"),
    "opened in tier TRUST": (START_OF_TRUST, rule("t", "who: [ks5]\n        what: ['host:a.example']\n        "
                                                       "action: allow") + START_OF_TRUST, "tier TRUST"),
    "a category above what closes harm": (START_OF_SITE, rule("s", "who: [ks4]\n        what: [games]\n        "
                                          "action: allow") + START_OF_SITE, "which closes harmful pages"),
    "a category above a row that closes it": (START_OF_SITE, rule("g", "who: [ks4]\n        what: [shopping]\n        "
                                              "action: allow") + START_OF_SITE, "opens what"),
    "a category for the youngest": (END, rule("y", "who: [ks1]\n        what: [video]\n        action: allow") + END,
                                    "whole category"),
    "a younger band": ("what: [host:youtube.com, host:youtu.be]\n        action: allow\n        because: Years",
                       None, "lowers the age"),
    "more passes unread": (BANKS, BANKS.replace("banking", "banking, education"), "without being read"),
    "banks are read": (BANKS, BANKS.replace("bypass", "allow"), "without being read"),
    "everything closes": (END, rule("stop", "who: [staff]\n        action: block") + END, "closes everything"),
    "an older band for a group": ("year-9:         {band: ks3", "year-9:         {band: ks4", "age band"),
    "a new group with a band": ("groups:\n", "groups:\n  sixth: {band: ks5}\n", "age band"),
    "another lunch": ('lunch:         {title: lunch, days: mon-fri, times: ["12:10-13:10"]}',
                      'lunch:         {title: lunch, days: mon-fri, times: ["12:10-14:10"]}', "when rules hold"),
    "another lunch at one site": ('lunch:        {times: ["12:00-13:00"]}', 'lunch:        {times: ["12:00-14:00"]}',
                                  "when rules hold there"),
    "other terms": ("from: 2026-09-02, to: 2026-10-23", "from: 2026-09-02, to: 2026-10-24", "every rule with times"),
    "a new site": ("sites:\n", "sites:\n  hillview: {}\n", "comes or goes"),
    "unsafe searches": ("policies:\n", "safe_search: {off_for: [group:technicians]}\npolicies:\n", "kept safe"),
    "how soon words close a page": ("policies:\n", "page_limits: {ks3: 80}\npolicies:\n", "not plainly harmless"),
    "a site's rules for another site": ("    site: riverside\n", "    site: [riverside, oakwood]\n", "is read before"),
}  # fmt: skip


@pytest.mark.parametrize(("old", "new"), HARMLESS.values(), ids=HARMLESS)
def test_a_change_its_author_may_publish(old: str, new: str) -> None:
    assert risks(BEFORE, after(old, new)) == ()


@pytest.mark.parametrize(("old", "new", "says"), RISKY.values(), ids=RISKY)
def test_a_change_that_needs_a_second_person(old: str, new: str | None, says: str) -> None:
    if new is None:
        old = "who: [ks4, ks5]\n        what: [host:youtube.com, host:youtu.be]"
        new = old.replace("ks4", "ks3, ks4")
    found = risks(BEFORE, after(old, new))
    assert any(says in one.words for one in found), found


def test_one_name_that_comes_to_mean_another_time_is_risky() -> None:
    """Whoever wrote `when: [weekdays]` meant Monday to Friday, whatever the word means later."""
    rows = rule("a", "what: [games]\n        when: [weekdays]\n        action: block") + END
    before = read(PRESET.replace(END, rows, 1))
    meant = before.timetable.schedules["weekdays"]
    night = replace(meant, periods=(Period(180, 181),))
    timetable = replace(before.timetable, schedules={**before.timetable.schedules, "weekdays": night})
    asked = replace(before, timetable=timetable)
    assert [(one.name, one.words) for one in risks(before, asked)] == [("schedule weekdays", "changes when rules hold")]
    assert [one.words for one in compare(before, asked)] == [("schedule weekdays differs",)]


NO_GAMES = rule("no-games", "who: [pupils]\n        what: [games]\n        action: block")
CLUB = rule("club", "who: [ks4]\n        what: [games]\n        action: allow")
NO_SITE = rule("no-site", "who: [pupils]\n        what: ['host:bad.example']\n        action: block")
ABOVE = {
    "moved": (NO_GAMES + CLUB, CLUB + NO_GAMES),
    "moved under another name": (NO_GAMES + CLUB, CLUB.replace("club", "club-2") + NO_GAMES),
    "new above the block": (NO_GAMES, CLUB + NO_GAMES),
    "widened above the block": (CLUB.replace("games", "music") + NO_GAMES, CLUB + NO_GAMES),
    "a warning above the block": (NO_GAMES, CLUB.replace("allow", "warn") + NO_GAMES),
    "a site above its block": (NO_SITE, CLUB.replace("games", "'host:bad.example'") + NO_SITE),
    "a part of it": (NO_SITE, CLUB.replace("games", "'host:www.bad.example'") + NO_SITE),
    "a page of it": (NO_SITE, CLUB.replace("games", "'url:bad.example/x'") + NO_SITE),
    "a category above what closes all": (
        rule("shut", "who: [pupils]\n        action: block"),
        CLUB + rule("shut", "who: [pupils]\n        action: block"),
    ),
    "the block moved down under another name": (NO_GAMES + CLUB, CLUB + NO_GAMES.replace("no-games", "shut")),
}


@pytest.mark.parametrize(("before", "later"), ABOVE.values(), ids=ABOVE)
def test_what_opens_above_a_row_that_closes_it_is_risky(before: str, later: str) -> None:
    """However it came there: moved, renamed on the way, written anew, or widened."""
    head = "schoolgate: 1\npolicies:\n  - tier: default\n    rules:\n"
    assert risks(read(head + before), read(head + later))


def test_what_the_language_learns_later_is_thought_of_here() -> None:
    """Whoever adds a field to these says in `policy.risks` and `policy.comparing` what its change means."""
    known = {
        Rule: "name action who what where when until because line",
        RuleSet: "tier rules owner sites",
        People: "everyone bands groups users devices sites",
        Things: "anything uncategorised categories hosts urls signals",
        When: "include exclude",
        Group: "name band title",
        Site: "name title timetable",
    }
    for kind, names in known.items():
        assert [field.name for field in fields(kind)] == names.split(), kind


def test_rules_that_change_places() -> None:
    """A stricter rule may come first; a looser one may not, unless both can never meet."""
    youtube = PRESET[
        PRESET.index("      - rule: older-pupils-youtube") : PRESET.index("      - rule: ks3-open-posting")
    ]
    up = read(PRESET.replace(youtube, "").replace(START_OF_DEFAULT, youtube + START_OF_DEFAULT))
    assert any("is now read before pupils-hate-and-violence, which blocks" in one.words for one in risks(BEFORE, up))
    assert any("passes unread" in one.words for one in risks(BEFORE, up))
    assert not [one for one in risks(up, BEFORE) if "unread" not in one.words]
    ks3 = PRESET[PRESET.index("      - rule: ks3-unchecked-pages") : PRESET.index("      - rule: ks3-leisure")]
    late = read(
        PRESET.replace(ks3, "").replace("      - rule: ks5-social-media\n", ks3 + "      - rule: ks5-social-media\n")
    )
    assert risks(BEFORE, late) == ()


def test_what_covers_what() -> None:
    """Always itself; never what it leaves out."""
    for one, other in itertools.product(BEFORE.rules, repeat=2):
        assert covers(one, one)
        if one is not other and covers(one, other) and covers(other, one):
            assert (one.who, one.what) == (other.who, other.what)
    everything = Rule("all", Action.BLOCK)
    assert all(covers(everything, one) for one in BEFORE.rules)


LISTS = {
    "games": ["games.example", "both.example", "tube.example"],
    "video": ["tube.example", "film.example"],
    "gambling": ["bets.example", "both.example"],
    "self-harm": ["harm.example", "film.example"],
    "vpn": ["vpn.example"],
    "banking": ["bank.example"],
    "child-abuse": ["locked.example"],
    "help": ["help.example"],
    CLOSED_BY_HAND: ["closed.example"],
}
HOSTS = sorted({host for hosts in LISTS.values() for host in hosts} | {"nowhere.example"})
DANGER = {"gambling", "self-harm", "vpn", SIGNALLED, CLOSED_BY_HAND}
WHO = ("pupils", "ks2", "ks3", "ks4", "staff", "everyone", "group:year-9", "not group:year-9", "not ks4")
WHAT = ("games", "video", "gambling", "self-harm", "vpn", CLOSED_BY_HAND, "anything", "uncategorised", "not games",
        "not gambling", "host:tube.example")  # fmt: skip
TIMES = (datetime(2026, 11, 24, 9, 0, tzinfo=LONDON), datetime(2026, 11, 24, 20, 0, tzinfo=LONDON))


def words(random: Random, known: tuple[str, ...], key: str) -> str:
    chosen = random.sample(known, random.randint(1, 3))
    plain = [one for one in chosen if not one.startswith("not ")] or [known[0]]
    return f"{key}: [{', '.join(repr(one) for one in dict.fromkeys([*plain, *chosen]))}]"


def invented(random: Random, name: str) -> str:
    parts = [words(random, WHO, "who"), words(random, WHAT, "what")]
    if random.random() < 0.3:
        parts.append("when: [lesson]")
    parts.append(f"action: {random.choice(('allow', 'block', 'block', 'warn'))}")
    return f"      - {{rule: {name}, {', '.join(parts)}}}"


def school(rules: dict[str, list[str]]) -> Policy | None:
    """The policy of these rules; None where they can never fit, which the reader refuses."""
    text = "schoolgate: 1\nschedules: {lesson: {times: ['08:50-15:15']}}\ngroups: {year-9: {band: ks3}}\npolicies:\n"
    for tier, lines in rules.items():
        text += f"  - tier: {tier}\n    rules:\n" + "\n".join(lines) + "\n" if lines else ""
    try:
        return read(text)
    except Exception as error:
        assert "can never fit" in str(error) or "without looking inside" in str(error), error
        return None


def mutated(random: Random, rules: dict[str, list[str]]) -> dict[str, list[str]]:
    found = {tier: list(lines) for tier, lines in rules.items()}
    lines = found[random.choice(list(found))]
    match random.choice(("add", "remove", "change", "move")):
        case "add":
            lines.insert(random.randint(0, len(lines)), invented(random, "fresh"))
        case "remove" if lines:
            lines.pop(random.randrange(len(lines)))
        case "change" if lines:
            at = random.randrange(len(lines))
            name = lines[at].split("rule: ")[1].split(",")[0]
            lines[at] = invented(random, name)
        case "move" if len(lines) > 1:
            lines.insert(random.randrange(len(lines)), lines.pop(random.randrange(len(lines))))
    return found


def danger_closed(verdict: Verdict) -> bool:
    """Whether it is closed, and not only by what is harmless."""
    if verdict.action is not Action.BLOCK:
        return False
    rows = ((verdict.action, verdict.category), *((one.action, one.category) for one in verdict.outranked))
    return any(action is Action.BLOCK and category in DANGER for action, category in rows)


def test_nothing_that_opens_harm_is_ever_called_harmless() -> None:
    """Five hundred invented policies, each changed in one thing: what was closed for harm, or by tier TRUST, stays so,
    and nothing more passes unread, unless the change says that it is risky."""
    random, harmless = Random(20261121), 0
    clients = [Client(band=band, band_known=True, groups=groups)
               for band in (Band.KS2, Band.KS3, Band.KS4, Band.STAFF)
               for groups in (frozenset[str](), frozenset({"year-9"}))]  # fmt: skip
    index = PlainIndex(LISTS)
    for number in range(500):
        rules = {tier: [invented(random, f"r{number}-{tier}-{one}") for one in range(random.randint(1, 4))]
                 for tier in ("trust", "default")}  # fmt: skip
        old, new = school(rules), school(mutated(random, rules))
        if old is None or new is None or risks(old, new):
            continue
        harmless += 1
        engines = Engine(index, old), Engine(index, new)
        for host, client, at in itertools.product(HOSTS, clients, TIMES):
            request = Request(canonical_url(f"https://{host}/"))
            was, now = (engine.decide(request, client, at) for engine in engines)
            if host == "tube.example" or now.action is Action.BLOCK:
                continue  # a host that somebody named may open
            assert not danger_closed(was), (old.policies, new.policies, host, client.band, was, now)
            assert not (was.action is Action.BLOCK and was.tier == "trust"), (old.policies, new.policies, host)
    assert harmless > 60


def test_a_rule_of_another_tier_is_another_rule() -> None:
    trust, *rest = BEFORE.policies
    moved = replace(BEFORE, policies=(RuleSet(trust.tier, trust.rules[1:], trust.owner), *rest[:-1],
                                      replace(rest[-1], rules=(trust.rules[0], *rest[-1].rules))))  # fmt: skip
    assert any(one.name == "trust-malware" and "takes away" in one.words for one in risks(BEFORE, moved))
