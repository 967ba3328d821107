"""The presets: each loads without a warning, says the same where it says it twice, and keeps what it promises."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from categories.index import CompiledIndex
from categories.names import canonical_url
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import ListSource, starter_sources
from categories.taxonomy import Kind, load_taxonomy
from policy.client import Band, Client
from policy.engine import Engine
from policy.model import Action, Request, Stage, Tier
from policy.reserved import reserved_categories
from policy.rules import PolicyErrors, load_policy
from proxy.assembly import known_categories
from tests.policy.lists import PlainIndex
from tests.scenarios.reading import read_person, read_time

PRESETS = Path(__file__).resolve().parents[2] / "policy" / "presets"
WHOLE = ("trust.yaml", "primary.yaml", "secondary.yaml")
MODELS = ("staff-own-time.yaml", "staff-breaks-and-lunch.yaml", "staff-none-in-working-hours.yaml")
LONDON = ZoneInfo("Europe/London")
UNREAD = {"os": Action.BYPASS, "app": Action.BYPASS, "pinned": Action.BYPASS, "shut": Action.BLOCK}
"""What happens to a host of each of these categories."""

type Build = Callable[[str], Engine]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CompiledIndex:
    folder = tmp_path_factory.mktemp("lists")
    build_snapshot(starter_sources(), folder, load_taxonomy())
    return open_snapshot(folder)


@pytest.fixture(scope="module")
def build(index: CompiledIndex) -> Build:
    """An engine from the text of a policy and the starter lists."""
    return lambda text: Engine(index, load_policy(text, file="preset", categories=load_taxonomy()))


def read(name: str) -> str:
    return (PRESETS / name).read_text(encoding="utf-8")


def rules_of(name: str) -> dict[str, dict[str, Any]]:
    policy = yaml.safe_load(read(name))
    rules = policy["rules"] if "rules" in policy else [rule for part in policy["policies"] for rule in part["rules"]]
    return {rule["rule"]: rule for rule in rules}


def decided(engine: Engine, who: str, site: str | None, when: str, url: str, stage: Stage = Stage.REQUEST) -> Action:
    user, groups, band, shared = read_person(who)
    client = Client(site, user=user, groups=groups, band=band or Band.EYFS, band_known=band is not None, shared=shared)
    return engine.decide(Request(canonical_url(url), stage), client, read_time(when)).action


@pytest.mark.parametrize("name", WHOLE)
def test_a_preset_loads_without_a_warning(build: Build, name: str) -> None:
    """A school can run it on the first day."""
    engine = build(read(name))
    assert engine.policy.warnings == ()
    assert engine.policy.expired(datetime(2026, 11, 24, tzinfo=LONDON)) == ()


@pytest.mark.parametrize("name", WHOLE)
def test_no_list_of_others_names_what_the_trust_opens_or_nobody_reads(build: Build, name: str) -> None:
    """A foreign list that calls a page so would open it; what only rules of tier DEFAULT allow stays ordinary."""
    policy = build(read(name)).policy
    rules = [rule for ruleset in policy.policies for rule in ruleset.rules]
    unread = {category for rule in rules if rule.action is Action.BYPASS for category in rule.what.include.categories}
    opened = unread | set(reserved_categories(policy))
    assert {"os-updates", "wrongly-listed", "school-services"} <= opened
    assert [category for category in sorted(opened) if not load_taxonomy().by_hand(category)] == []


@pytest.mark.parametrize("name", WHOLE)
def test_what_refuses_to_be_read_is_passed_for_everybody_unless_the_school_closed_it(build: Build, name: str) -> None:
    """Updates and pinned programs work on every device, known or not; the school's own *always blocked* comes first."""
    ours = {
        "os-updates": ["os.example"],
        "app-updates": ["app.example", "shut.example"],
        "pinned-apps": ["pinned.example"],
        "always-blocked": ["shut.example"],
    }
    policy = load_policy(read(name), file="preset", categories=load_taxonomy())
    engine = Engine(PlainIndex({"help": ["h.example"], **ours}), policy)
    at = datetime(2026, 11, 24, 10, 20, tzinfo=LONDON)
    for band in (None, *Band):
        client = Client(next(iter(policy.sites), None), band=band or Band.EYFS, band_known=band is not None)
        for host, action in UNREAD.items():
            request = Request(canonical_url(f"https://{host}.example/"), Stage.CONNECT, "CONNECT")
            assert engine.decide(request, client, at).action is action, (host, band)


@pytest.mark.parametrize("name", WHOLE)
def test_a_table_that_names_its_own_categories_opens_nothing(tmp_path: Path, name: str) -> None:
    """Chat stays closed to children whatever another list maker calls it, and is read."""
    (tmp_path / "ours.txt").write_text("chat.example\n")
    rows = (
        "chat.example,lms",
        "chat.example,os-updates",
        "chat.example,(updates)",
        "chat.example,bank",
        "x.example,os.updates",
    )
    (tmp_path / "theirs.csv").write_text("".join(f"{row}\n" for row in rows))
    sources = [ListSource("ours", tmp_path / "ours.txt", category="chat")]
    sources += [ListSource("theirs", tmp_path / "theirs.csv", "csv")]
    build_snapshot(sources, tmp_path / "lists", load_taxonomy())
    index = open_snapshot(tmp_path / "lists")
    engine = Engine(index, load_policy(read(name), file="preset", categories=known_categories(load_taxonomy(), index)))
    site, band = next(iter(engine.policy.sites), None), Band.KS2
    request = Request(canonical_url("https://chat.example/"), Stage.CONNECT)
    at = datetime(2026, 11, 24, 12, 30, tzinfo=LONDON)
    decision = engine.decide(request, Client(site, band=band, band_known=True), at)
    assert (decision.action, decision.rule) == (Action.BLOCK, "trust-under-13")
    assert {match.category for match in index.match(canonical_url("https://x.example/"))} == {"os-updates-of-others"}


@pytest.mark.parametrize("name", WHOLE)
def test_every_rule_says_why(name: str) -> None:
    """D-02: what is blocked or allowed, and why, in a sentence for people."""
    for rule in rules_of(name).values():
        assert rule["because"].endswith((".", "!")), rule["rule"]
        assert len(rule["because"]) <= 140, rule["rule"]


@pytest.mark.parametrize("name", ["primary.yaml", "secondary.yaml"])
def test_a_rule_means_the_same_in_every_preset(name: str) -> None:
    """L-12: a school that joins a trust meets the rules it knows."""
    trust = rules_of("trust.yaml")
    assert rules_of(name).items() <= trust.items()


def test_a_secondary_and_a_primary_school_together_have_all_of_the_trusts_rules() -> None:
    """Nothing is lost on the way but what one of the example schools chose for itself."""
    both = rules_of("primary.yaml") | rules_of("secondary.yaml")
    assert set(rules_of("trust.yaml")) - set(both) == {"oakwood-chess-club", "riverside-lunch-social-media"}


@pytest.mark.parametrize("name", WHOLE)
def test_a_preset_speaks_of_every_harmful_and_circumventing_category(name: str) -> None:
    """A category nobody decides about would be open to children from Key Stage 3 on."""
    named = {str(word) for rule in rules_of(name).values() for word in rule.get("what", [])}
    kinds = (Kind.HARMFUL, Kind.CIRCUMVENTION)
    assert [category.name for category in load_taxonomy().of_kind(*kinds) if category.name not in named] == []


@pytest.mark.parametrize("name", WHOLE)
def test_the_calendar_reaches_july_2028(name: str) -> None:
    """Terms are an example to edit, and long enough that nobody is caught without one."""
    calendar = load_policy(read(name), file=name, categories=load_taxonomy()).timetable.calendar
    assert max(term.last for term in calendar.terms) == date(2028, 7, 21)
    for year in (2026, 2027):
        first, last = date(year, 9, 1), date(year + 1, 7, 31)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        taught = sum(calendar.is_term(day) and day.weekday() < 5 for day in days)
        assert 185 <= taught <= 195, f"{year}/{year + 1} has {taught} school days; English schools have about 190"


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("band", Band)
def test_illegal_content_is_blocked_and_help_is_open_for_every_band(build: Build, name: str, band: Band) -> None:
    """F-04 and B-53, whatever the preset says."""
    engine, at = build(read(name)), read_time("Tue 24 Nov 2026 10:20")
    client = Client(band=band, band_known=True)
    for host, action in (("child-abuse.schoolgate.test", Action.BLOCK), ("www.childline.org.uk", Action.ALLOW)):
        for stage in (Stage.CONNECT, Stage.REQUEST):
            assert engine.decide(Request(canonical_url(f"https://{host}/"), stage), client, at).action is action


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("band", Band)
def test_pornography_and_ways_round_the_filter_are_closed_for_every_band(build: Build, name: str, band: Band) -> None:
    """J-03 and D-22: no role, at no hour."""
    engine, client = build(read(name)), Client(band=band, band_known=True)
    for host in ("www.pornhub.com", "nordvpn.com", "croxyproxy.com", "dns.google", "www.torproject.org"):
        for when in ("Tue 24 Nov 2026 10:20", "Sat 28 Nov 2026 23:30", "Wed 5 Aug 2026 12:00"):
            verdict = engine.decide(Request(canonical_url(f"https://{host}/")), client, read_time(when))
            assert (verdict.action, verdict.tier) == (Action.BLOCK, Tier.TRUST), f"{band} {host} {when}"


def with_staff_model(name: str) -> str:
    """The trust preset with another model of staff's personal use put in, as its header says to do."""
    policy = yaml.load(read("trust.yaml"), Loader=yaml.BaseLoader)
    model = yaml.load(read(name), Loader=yaml.BaseLoader)["rules"]
    rules = policy["policies"][-1]["rules"]
    place = next(n for n, rule in enumerate(rules) if rule["rule"].startswith("staff-personal-"))
    kept = [rule for rule in rules if not rule["rule"].startswith("staff-personal-")]
    policy["policies"][-1]["rules"] = [*kept[:place], *model, *kept[place:]]
    return yaml.safe_dump(policy, sort_keys=False)


MAIL, SOCIAL, AUCTION = "https://mail.google.com/", "https://www.facebook.com/", "https://www.ebay.co.uk/"
LESSON, LUNCH = "Tue 24 Nov 2026 10:20", "Tue 24 Nov 2026 12:50"
AFTERNOON, EVENING = "Tue 24 Nov 2026 16:00", "Tue 24 Nov 2026 19:00"


@pytest.mark.parametrize(
    ("model", "who", "url", "open_at"),
    [
        ("staff-own-time.yaml", "Teacher", SOCIAL, {LUNCH, AFTERNOON, EVENING}),
        ("staff-own-time.yaml", "Teaching assistant", SOCIAL, {LUNCH, EVENING}),
        ("staff-own-time.yaml", "Member of staff", SOCIAL, {LUNCH, EVENING}),
        ("staff-own-time.yaml", "Teacher", AUCTION, set()),
        ("staff-breaks-and-lunch.yaml", "Teacher", SOCIAL, {LUNCH, EVENING}),
        ("staff-breaks-and-lunch.yaml", "Teaching assistant", SOCIAL, {LUNCH, EVENING}),
        ("staff-breaks-and-lunch.yaml", "Head teacher", MAIL, {EVENING}),
        ("staff-breaks-and-lunch.yaml", "Teacher", AUCTION, set()),
        ("staff-none-in-working-hours.yaml", "Teacher", SOCIAL, {EVENING}),
        ("staff-none-in-working-hours.yaml", "Technician", MAIL, {EVENING}),
        ("staff-none-in-working-hours.yaml", "Teaching assistant", AUCTION, set()),
    ],
)
def test_each_model_of_staffs_personal_use(build: Build, model: str, who: str, url: str, open_at: set[str]) -> None:
    """C1: own time (A-01..A-03), breaks and lunch (B-12, B-66), none in working hours (J-02, L-07)."""
    engine = build(with_staff_model(model))
    times = (LESSON, LUNCH, AFTERNOON, EVENING)
    assert {at for at in times if decided(engine, who, "riverside", at, url) is Action.ALLOW} == open_at


def test_the_trust_preset_has_the_first_model() -> None:
    """`staff-own-time.yaml` is what a trust starts with, so a school that leaves it can come back."""
    assert rules_of("staff-own-time.yaml").items() <= rules_of("trust.yaml").items()


@pytest.mark.parametrize("name", MODELS)
def test_a_part_is_refused_as_a_policy(name: str) -> None:
    """It has rules for staff only: as a whole policy it would leave pupils open."""
    with pytest.raises(PolicyErrors, match="version is missing"):
        load_policy(read(name), file=name, categories=load_taxonomy())


@pytest.mark.parametrize(
    ("category", "url"),
    [
        ("social-media", "https://www.instagram.com/"),
        ("gambling", "https://www.bet365.com/"),
        ("pornography", "https://www.pornhub.com/"),
        ("vpn", "https://nordvpn.com/"),
    ],
)
def test_a_school_cannot_open_what_the_trust_closed(build: Build, category: str, url: str) -> None:
    """F-33: a site rule that allows it stands below the trust's and only shows as outranked."""
    opened = f"      - {{rule: riverside-opens, what: [{category}], action: allow}}\n"
    first = "      - rule: riverside-lunch-social-media\n"
    engine = build(read("trust.yaml").replace(first, opened + first, 1))
    client = Client("riverside", band=Band.KS3, band_known=True)
    verdict = engine.decide(Request(canonical_url(url)), client, read_time("Sat 28 Nov 2026 12:00"))
    assert (verdict.action, verdict.tier) == (Action.BLOCK, Tier.TRUST)
    assert "riverside-opens" in {row.rule for row in verdict.outranked}


def test_one_click_overrides_reach_below_the_trust_and_no_further(build: Build) -> None:
    """An expiring override opens what a default closed, not what the trust did (V-15)."""
    override = (
        "policies:\n"
        "  - {tier: override, rules: [{rule: science-week, what: [host:youtube.com, host:games.schoolgate.test],"
        " action: allow, until: 2026-11-25}]}\n"
    )
    engine = build(read("trust.yaml").replace("policies:\n", override, 1))
    open_game = "https://games.schoolgate.test/"
    assert decided(engine, "Year 5 pupil", "oakwood", "Tue 24 Nov 2026 10:20", open_game) is Action.ALLOW
    assert decided(engine, "Year 5 pupil", "oakwood", "Thu 26 Nov 2026 10:20", open_game) is Action.BLOCK
    video = "https://www.youtube.com/"
    assert decided(engine, "Year 5 pupil", "oakwood", "Tue 24 Nov 2026 10:20", video) is Action.BLOCK


HELP = ("https://www.childline.org.uk/", "https://revengepornhelpline.org.uk/", "https://www.samaritans.org/")


@pytest.mark.parametrize("category", ["pornography", "self-harm", "proxy-avoidance", "always-blocked"])
def test_help_stays_open_when_a_list_is_wrong_about_it(tmp_path: Path, category: str) -> None:
    """B-53: a category error does not block help; real adult lists do hold sites for victims of abuse."""
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("childline.org.uk\nrevengepornhelpline.org.uk\nsamaritans.org\n", encoding="utf-8")
    sources = (*starter_sources(), ListSource("wrong", wrong, category=category))
    assert build_snapshot(sources, tmp_path / "lists", load_taxonomy()).problems == ()
    policy = load_policy(read("trust.yaml"), file="preset", categories=load_taxonomy())
    engine = Engine(open_snapshot(tmp_path / "lists"), policy)
    for who in ("Reception child", "Year 4 pupil", "Year 8 pupil", "Teacher", "Visitor", "Somebody unknown"):
        for url in HELP:
            for stage in (Stage.CONNECT, Stage.REQUEST):
                assert decided(engine, who, "oakwood", LESSON, url, stage) is Action.ALLOW, f"{who} {url} {stage}"
