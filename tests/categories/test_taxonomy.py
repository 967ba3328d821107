"""The taxonomy: every category is complete, every foreign name means one thing, every mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.taxonomy import Category, FourC, Kind, TaxonomyError, load_taxonomy, parse_taxonomy

TAXONOMY = load_taxonomy()

AGREED = {
    Kind.STATUTORY: """child-abuse terrorism intimate-image-abuse coercive-behaviour fraud hate-crime suicide-promotion
        extreme-pornography inciting-violence people-smuggling drug-sales weapon-sales sexual-exploitation""",
    Kind.HARMFUL: """pornography adult-content discrimination drugs extremism gambling hate-speech harmful-content
        bullying gore malware phishing hacking misinformation piracy self-harm eating-disorders violence misogyny
        weapons alcohol-tobacco vaping dating cults scams deepfakes ai-companions cryptocurrency loot-boxes conspiracy
        profanity cheating mixed-content""",
    Kind.CIRCUMVENTION: """circumvention proxy-avoidance vpn doh tor remote-access web-archive translation-proxy
        dynamic-dns""",
    Kind.HELP: "help",
    Kind.GOOD: """education child-safe-search reference school-services exams health government os-updates
        app-updates pinned-apps charity wrongly-listed""",
    Kind.NEUTRAL: """social-media chat forums blogs webmail games shopping auctions video music streaming file-sharing
        downloads ai-chat url-shorteners advertising tracking news sport entertainment jobs search-engines banking cdn
        mail-business lifestyle finance religion web-hosting translation education-other set-aside
        unsafe-search""",
    Kind.OWN: "ks1-allowed ks2-chosen class-chosen always-allowed always-blocked",
}
"""Names that policies, pages and records rely on."""


def test_the_categories_are_the_agreed_ones() -> None:
    """A name that vanished or changed its kind would change every policy that uses it."""
    found = {kind: {category.name for category in TAXONOMY.of_kind(kind)} for kind in Kind}
    assert found == {kind: set(names.split()) for kind, names in AGREED.items()}


@pytest.mark.parametrize("category", TAXONOMY.values(), ids=lambda category: category.name)
def test_a_category_is_complete(category: Category) -> None:
    """Staff read its title, children its plain words, reviewers the requirement rows it answers."""
    assert category.title
    assert category.plain
    assert len(category.plain) <= 60
    assert category.description.endswith(".")
    assert category.requirements
    assert not category.plain.endswith("."), "it stands inside a sentence"


@pytest.mark.parametrize("category", TAXONOMY.values(), ids=lambda category: category.name)
def test_every_risk_belongs_to_one_of_the_four_cs(category: Category) -> None:
    """K-07: harm is content, contact, conduct or commerce; what is good or the school's own is none of them."""
    if category.kind in (Kind.STATUTORY, Kind.HARMFUL, Kind.CIRCUMVENTION):
        assert category.four_c is not FourC.NONE
    if category.kind in (Kind.HELP, Kind.GOOD, Kind.OWN):
        assert category.four_c is FourC.NONE


@pytest.mark.parametrize(
    ("unacceptable", "categories"),
    [
        ("outside the lesson's aim", {"games", "shopping", "entertainment"}),
        ("illegal", {"child-abuse", "terrorism", "fraud"}),
        ("extreme or radicalising", {"extremism", "gore"}),
        ("dangerous", {"harmful-content", "weapons", "self-harm"}),
        ("vexatious", {"bullying", "profanity"}),
        ("makes someone uncomfortable", {"pornography", "hate-speech", "dating"}),
    ],
)
def test_each_reason_of_unacceptable_use_can_be_said(unacceptable: str, categories: set[str]) -> None:
    """E-02: the six reasons of the trust's policy."""
    assert categories <= set(TAXONOMY), unacceptable


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("adult", "pornography"),
        ("porn", "pornography"),
        ("mixed_adult", "mixed-content"),
        ("lingerie", "adult-content"),
        ("agressif", "violence"),
        ("violence", "violence"),
        ("social_networks", "social-media"),
        ("redirector", "proxy-avoidance"),
        ("strict_redirector", "proxy-avoidance"),
        ("strong_redirector", "proxy-avoidance"),
        ("proxy", "proxy-avoidance"),
        ("residential-proxies", "proxy-avoidance"),
        ("drogue", "drugs"),
        ("publicite", "advertising"),
        ("audio-video", "video"),
        ("warez", "piracy"),
        ("shortener", "url-shorteners"),
        ("bank", "banking"),
        ("press", "news"),
        ("update", "os-updates"),
        ("sexual_education", "health"),
        ("sect", "cults"),
        ("associations_religieuses", "religion"),
        ("translation", "translation"),
        ("remote-control", "remote-access"),
        ("badwords", "profanity"),
        ("illegaldrugs", "drugs"),
        ("warezhacking", "hacking"),
        ("kidstimewasting", "games"),
        ("Social Networks", "social-media"),
        ("GAMBLING", "gambling"),
        ("self_harm", "self-harm"),
    ],
)
def test_a_foreign_name_finds_its_category(theirs: str, ours: str) -> None:
    """Lists from UT1, squidGuard and e2guardian need no table of their own."""
    assert TAXONOMY.resolve(theirs) == ours


@pytest.mark.parametrize("theirs", ["examen_pix", "tricheur_pix", "exceptions_liste_bu", "special", "goodphrases"])
def test_lists_made_for_something_else_are_set_aside(theirs: str) -> None:
    """A list for one French exam must neither block nor open anything in a British school."""
    assert TAXONOMY.resolve(theirs) == "set-aside"


@pytest.mark.parametrize("theirs", ["child", "liste_blanche", "liste_bu", "educational_games"])
def test_foreign_allow_lists_do_not_reach_the_youngest(theirs: str) -> None:
    """B-45: what somebody else allows is not what an adult of this school has chosen."""
    name = TAXONOMY.resolve(theirs)
    assert name == "education-other"
    assert TAXONOMY[name].kind is Kind.NEUTRAL


def test_no_foreign_name_leads_to_illegal_content() -> None:
    """A statutory category is filled by its licensed list under its own name, never by a folder that happens to fit."""
    assert [category.name for category in TAXONOMY.of_kind(Kind.STATUTORY) if category.aliases] == []


@pytest.mark.realdata
def test_every_category_of_ut1_is_known(real_data: Path) -> None:
    """All 69 folders of the real tree resolve."""
    lines = (real_data / "ut1" / "COUNTS.tsv").read_text(encoding="utf-8").splitlines()[1:]
    names = {line.partition("\t")[0] for line in lines}
    assert len(names) >= 69
    assert {name for name in names if TAXONOMY.resolve(name) is None} == set()


@pytest.mark.parametrize(
    ("wrong", "meant"), [("gamblng", "gambling"), ("social_media", "social-media"), ("socialmedia", "social-media")]
)
def test_a_misspelled_name_is_guessed(wrong: str, meant: str) -> None:
    """Errors end with "did you mean"."""
    assert TAXONOMY.suggest(wrong) == meant


@given(st.text(max_size=40))
def test_any_text_resolves_to_a_category_or_nothing(text: str) -> None:
    """Folder names are other people's; none of them may surprise."""
    assert TAXONOMY.resolve(text) in {*TAXONOMY, None}


def test_our_own_names_resolve_to_themselves() -> None:
    """Aliases never hide a category."""
    assert [name for name in TAXONOMY if TAXONOMY.resolve(name) != name] == []


GOOD = "games: {title: Games, plain: playing, kind: neutral, four_c: content, answers: [B-50], about: Games.}\n"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("- games\n", 1, "must be a mapping"),
        ("games: [\n", 2, "is not YAML"),
        (GOOD + GOOD, 2, "written twice; the first is at line 1"),
        (GOOD.replace("games:", "Games_1:"), 1, "is not a category name"),
        (GOOD.replace("kind: neutral", "kind: harmfull"), 1, "did you mean 'harmful'?"),
        (GOOD.replace("four_c: content", "four_c: crime"), 1, "is unknown"),
        (GOOD.replace("title: Games, ", ""), 1, "games has no title"),
        (GOOD.replace("plain: playing, ", "plane: playing, "), 1, "did you mean 'plain'?"),
        (GOOD.replace("B-50", "fifty"), 1, "is not a requirement row"),
        (GOOD.replace("answers: [B-50]", "answers: B-50"), 1, "must be a list in brackets"),
        (GOOD + GOOD.replace("games:", "play:").replace("about", "aliases: [games], about"), 2, "already means games"),
        ("games: 7\n", 1, "games must have"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, line: int, what: str) -> None:
    """A category that silently vanished would be a hole in every policy that names it."""
    with pytest.raises(TaxonomyError) as caught:
        parse_taxonomy(text, file="mine.yaml")
    assert any(problem.line == line and what in problem.what for problem in caught.value.problems), caught.value


def test_all_mistakes_are_told_at_once() -> None:
    """Whoever edits the file corrects it once."""
    text = GOOD.replace("neutral", "nuetral") + GOOD.replace("games:", "play:").replace("title: Games, ", "")
    with pytest.raises(TaxonomyError) as caught:
        parse_taxonomy(text, file="mine.yaml")
    assert [str(problem)[:12] for problem in caught.value.problems] == ["mine.yaml:1:", "mine.yaml:2:"]


PAGE = Path(__file__).resolve().parents[2] / "docs" / "categories.md"


@pytest.mark.parametrize("category", TAXONOMY.values(), ids=lambda category: category.name)
def test_the_published_page_has_every_category(category: Category) -> None:
    """F-12j, F-32b: the taxonomy is public, with what each category means and which requirement it answers."""
    row = next((line for line in PAGE.read_text(encoding="utf-8").splitlines() if f"| `{category.name}` |" in line), "")
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:] == [
        category.title,
        category.description,
        "" if category.four_c is FourC.NONE else category.four_c.value,
        ", ".join(category.requirements),
        ", ".join(f"`{alias}`" for alias in category.aliases),
    ]


@given(st.text(max_size=200))
def test_any_text_is_a_taxonomy_or_an_error(text: str) -> None:
    """Nothing but `TaxonomyError` leaves the reader."""
    try:
        parse_taxonomy(text, file="any.yaml")
    except TaxonomyError as error:
        assert error.problems
