"""The lists that come with the product: clean, complete, and careful about what they block."""

from __future__ import annotations

import gzip
import io
import re
from collections import defaultdict
from pathlib import Path

import pytest

from categories.index import CompiledIndex
from categories.model import EntryKind
from categories.names import canonical_url, host_suffixes
from categories.parse import Entry, parse
from categories.snapshot import build_snapshot, open_snapshot
from categories.sources import STARTER, starter_sources
from categories.taxonomy import Category, Kind, load_taxonomy

TAXONOMY = load_taxonomy()
FILES = sorted(STARTER.glob("*.txt"))
BAD = {category.name for category in TAXONOMY.of_kind(Kind.STATUTORY, Kind.HARMFUL, Kind.CIRCUMVENTION)}
GOOD = {category.name for category in TAXONOMY.of_kind(Kind.GOOD, Kind.HELP)}
RESERVED = (".test", ".example")


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> CompiledIndex:
    folder = tmp_path_factory.mktemp("lists")
    assert build_snapshot(starter_sources(), folder, TAXONOMY).problems == ()
    return open_snapshot(folder)


def lines_of(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def entries_of(file: Path) -> list[Entry]:
    read = list(parse("starter", io.BytesIO(file.read_bytes()), file.stem))
    assert [item for item in read if not isinstance(item, Entry)] == []
    return [item for item in read if isinstance(item, Entry)]


def found(index: CompiledIndex, url: str) -> set[str]:
    return {match.category for match in index.match(canonical_url(url))}


def test_there_is_one_file_for_every_category_and_none_besides() -> None:
    """A category without a list could not be shown to work."""
    assert {file.stem for file in FILES} == set(TAXONOMY)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_line_is_written_the_one_way(file: Path) -> None:
    """What stands in the file is what is compared and what the evidence shows."""
    shown = [f'"{entry.value}"' if entry.kind is EntryKind.PHRASE else entry.value for entry in entries_of(file)]
    assert shown == lines_of(file)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_sorted_and_says_nothing_twice(file: Path) -> None:
    """Sorted within domains, pages, addresses and words, so that changes read well; no entry below another."""
    entries = entries_of(file)
    for kind in (EntryKind.DOMAIN, EntryKind.URL, EntryKind.PHRASE):
        values = [entry.value for entry in entries if entry.kind is kind]
        assert values == sorted(values)
    assert len(entries) == len({entry.value for entry in entries})
    domains = {entry.value for entry in entries if entry.kind is EntryKind.DOMAIN}
    assert [host for host in domains if domains & set(host_suffixes(host)[1:])] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_says_what_it_holds_and_has_an_entry_for_tests(index: CompiledIndex, file: Path) -> None:
    """F-32b: what is in it, which requirements it answers; and a reserved name nobody can reach, for self-tests."""
    category = TAXONOMY[file.stem]
    head = " ".join(file.read_text(encoding="utf-8").split("\n\n")[0].replace("#", " ").split())
    assert head.startswith(f"{category.title}: {category.description}")
    assert f"Category {category.name}; answers {', '.join(category.requirements)}." in head
    assert category.name in found(index, f"https://{file.stem}.schoolgate.test/")


@pytest.mark.parametrize("category", TAXONOMY.of_kind(Kind.STATUTORY), ids=lambda category: category.name)
def test_illegal_categories_ship_no_real_entry(category: Category) -> None:
    """F-06, I-05: real entries are secret and licensed; here are reserved names only."""
    entries = entries_of(STARTER / f"{category.name}.txt")
    assert entries
    hosts = {entry.value.partition("/")[0] for entry in entries if entry.kind is not EntryKind.PHRASE}
    assert [host for host in hosts if not host.endswith(RESERVED)] == []


def test_the_lists_are_small_but_real() -> None:
    """Enough to show every harmful class at work; real coverage comes from lists that are renewed."""
    waits_for_others = {"phishing", "cults", "extremism", "discrimination"}
    for category in TAXONOMY.of_kind(Kind.HARMFUL, Kind.CIRCUMVENTION):
        if category.name not in waits_for_others | {"circumvention"}:
            assert len(entries_of(STARTER / f"{category.name}.txt")) >= 10, category.name


def test_no_site_is_both_harmful_and_good() -> None:
    """An allow rule and a block rule would fight over it, and the order of a policy would decide by accident."""
    places: dict[str, set[str]] = defaultdict(set)
    for file in FILES:
        for entry in entries_of(file):
            if entry.kind is not EntryKind.PHRASE:
                places[entry.value].add(file.stem)
    assert {place: names for place, names in places.items() if names & BAD and names & GOOD} == {}


def test_words_are_held_for_what_harms_only() -> None:
    """Words tighten, so good and help lists hold none; leisure lists hold only the names of what they are about."""
    with_words = {f.stem for f in FILES if any(entry.kind is EntryKind.PHRASE for entry in entries_of(f))}
    assert with_words <= BAD | {"games", "chat"}


@pytest.mark.parametrize(
    ("platform", "category"),
    [
        ("https://twitter.com/home", "social-media"),
        ("https://x.com/home", "social-media"),
        ("https://www.facebook.com/", "social-media"),
        ("https://www.linkedin.com/", "social-media"),
        ("https://www.youtube.com/", "social-media"),
        ("https://www.tiktok.com/", "social-media"),
        ("https://www.snapchat.com/", "social-media"),
        ("https://www.instagram.com/", "social-media"),
        ("https://www.reddit.com/", "social-media"),
        ("https://www.pinterest.com/", "social-media"),
        ("https://www.tumblr.com/", "social-media"),
        ("https://www.flickr.com/", "social-media"),
        ("https://someone.wordpress.com/", "blogs"),
        ("https://podcasts.apple.com/", "blogs"),
        ("https://discord.com/", "chat"),
        ("https://www.quora.com/", "forums"),
    ],
)
def test_every_platform_the_policies_name_is_listed(index: CompiledIndex, platform: str, category: str) -> None:
    """E-05, J-11."""
    assert category in found(index, platform)


@pytest.mark.parametrize(
    "site",
    """childline.org.uk thinkuknow.co.uk ceop.police.uk samaritans.org papyrus-uk.org beateatingdisorders.org.uk
    youngminds.org.uk mind.org.uk nspcc.org.uk kooth.com themix.org.uk stonewall.org.uk refuge.org.uk talktofrank.com
    reportharmfulcontent.com report.iwf.org.uk stopitnow.org.uk giveusashout.org gamcare.org.uk victimsupport.org.uk
    revengepornhelpline.org.uk internetmatters.org kidscape.org.uk gov.uk/report-child-abuse""".split(),  # noqa: SIM905
)
def test_help_sites_are_help_and_in_no_harmful_list(index: CompiledIndex, site: str) -> None:
    """B-53: always reachable, with and without `www`."""
    for spelling in (f"https://{site}", f"https://www.{site}"):
        categories = found(index, spelling)
        assert "help" in categories
        assert not categories & BAD


@pytest.mark.parametrize(
    "site",
    """www.google.com classroom.google.com docs.google.com accounts.google.com storage.googleapis.com
    lh3.googleusercontent.com github.com raw.githubusercontent.com cdn.jsdelivr.net d111111abcdef8.cloudfront.net
    s3.amazonaws.com akamaihd.net static.cloudflareinsights.com www.microsoft.com teams.microsoft.com outlook.office.com
    www.apple.com www.bbc.co.uk www.gov.uk www.nhs.uk en.wikipedia.org www.essex.gov.uk www.sussex.ac.uk
    www.scunthorpe.example www.penistone.example www.cockermouth.example www.lightwater.example www.assassins.example
    www.expertsexchange.example www.therapistfinder.example www.pornic.example""".split(),  # noqa: SIM905
)
def test_platforms_and_unlucky_names_are_in_no_harmful_list(index: CompiledIndex, site: str) -> None:
    """F-13: a platform holds everybody's pages, and a name is not what its letters spell."""
    assert not found(index, f"https://{site}/") & BAD


BENIGN = """
scunthorpe united fixtures | map of sussex essex and middlesex | penistone grammar school | cockermouth tide times
sex education lesson plan | same sex marriage law uk | sexual reproduction in flowering plants | what is puberty
breast cancer awareness | testicular cancer self check | how does contraception work | consent explained for teenagers
periods and the menstrual cycle | sexting and the law | what is pornography addiction doing to teenagers brains rshe
lgbt history month | transgender rights timeline | what does non binary mean | gay pride parade history
suicide prevention charity | romeo and juliet suicide scene analysis | hitler suicide in the bunker
how to help a friend who self harms | eating disorder support | anorexia nervosa symptoms | healthy eating plate
drugs and the brain gcse biology | effects of alcohol on the liver | how do vaccines work
what is vaping doing to lungs | county lines film study
rise of the nazis | holocaust memorial day | anne frank diary | kristallnacht causes | treaty of versailles
the gunpowder plot | weapons of the first world war | atomic bomb hiroshima | cold war arms race | bronze age daggers
jack the ripper whitechapel gcse | crime and punishment through time | medieval torture | what is terrorism definition
islam five pillars | what is jihad in islam meaning | jewish festivals | antisemitism definition | what is racism
suffragettes votes for women | feminism in the 1970s | gender pay gap | what is misogyny
probability of a coin toss | blackjack trees | roulette wheel probability maths | what is gambling harm
what is a vpn and how does it work | proxy server definition computer science | what is encryption | tor hill height
penetration testing careers | ethical hacking degree | password strength explained | what is phishing pshe
how to get high marks in maths | how to purge a radiator | crack in the wall texture photoshop | cracking the code
pirates of the caribbean | somali pirates geography | torrent river erosion | stream and waterfall formation
game theory economics | fair game by a level drama | hunger games summary | squid dissection | chicken breast recipe
moby dick summary | dick turpin highwayman | great tit facts | blue tits nesting box | cock robin rhyme
the ass in midsummer | penguin colony facts
ex pupils association | virgin queen elizabeth | virgin media internet broken | black boys history
white girl summer dress | naked mole rat
knife crime statistics uk | county lines warning signs | grooming warning signs | what is coercive control
money management for teenagers | what is bitcoin economics | how banks make money | what is a pyramid scheme
conspiracy theories why do people believe them | moon landing 1969 | flat earth greek philosophers | fake news lesson
dating of fossils | carbon dating explained | speed dating revision activity | match attax
"""


@pytest.mark.parametrize(
    "words", [text.strip() for line in BENIGN.splitlines() for text in line.split("|") if text.strip()]
)
def test_lessons_can_be_searched_for(index: CompiledIndex, words: str) -> None:
    """F-13, K-03: RSHE, biology, history, RE, LGBT+, towns and birds hit no harmful word."""
    assert {match.category for match in index.match_text(words)} & BAD == set()


@pytest.mark.realdata
def test_no_university_is_in_a_harmful_list(index: CompiledIndex, real_data: Path) -> None:
    """8,494 university domains of all countries."""
    with gzip.open(real_data / "topsites" / "universities-20260620.tsv.gz", "rt", encoding="utf-8") as lines:
        hosts = [host for line in lines for host in re.findall(r"[\w-]+(?:\.[\w-]+)+", line.partition("\t")[0])]
    assert len(hosts) > 8000
    assert [host for host in hosts if found(index, host) & BAD] == []


@pytest.mark.realdata
def test_few_of_the_most_popular_hosts_are_in_a_harmful_list(index: CompiledIndex, real_data: Path) -> None:
    """Of 80,684 popular hosts some are gambling or pornography; a shared platform by mistake would bring thousands."""
    with gzip.open(real_data / "topsites" / "umbrella-top100k-20260724.tsv.gz", "rt", encoding="utf-8") as lines:
        hosts = [host for line in lines if (host := line.rstrip("\n").rpartition("\t")[2]) and "." in host]
    assert len(hosts) > 50_000
    hit = sum(bool(found(index, host) & BAD) for host in hosts)
    assert 100 < hit < 600
