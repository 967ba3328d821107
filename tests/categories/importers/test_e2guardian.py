"""An e2guardian installation: what its lists, groups and phrases become, and that no line is lost.

Shows: `categories.importers.e2guardian_conf`, `categories.importers.e2guardian_places`,
`categories.importers.e2guardian_rules`, `categories.importers.e2guardian_words`,
`categories.importers.e2guardian_work`, `categories.importers.proposal`
"""

from __future__ import annotations

from pathlib import Path

import pytest

from categories.importers.e2guardian import import_e2guardian
from categories.importers.e2guardian_conf import use_by_name
from categories.importers.e2guardian_rules import band_for
from categories.importers.proposal import Imported
from categories.taxonomy import load_taxonomy
from tests.categories.importers.e2guardian_folder import FILES, write_installation
from tests.rig.tools import need_unpacked


@pytest.fixture
def found(tmp_path: Path) -> Imported:
    """The installation of the tests, imported."""
    return import_e2guardian(write_installation(tmp_path), load_taxonomy())


def why(found: Imported, file: str, line: int) -> str:
    """What is told of a line."""
    return " | ".join(item.why for item in found.problems if (item.list, item.line) == (file, line))


def test_each_list_file_is_a_list_with_our_category(found: Imported) -> None:
    """Included files are lists of their own; a closed one is what its folder or category says."""
    assert {item.name.removeprefix("e2guardian/lists/"): (item.category, item.format) for item in found.lists} == {
        "bannedsitelist": ("e2guardian-banned-1", "e2guardian-sites"),
        "blacklists/porn/domains": ("pornography", "e2guardian-sites"),
        "localexceptionsitelist": ("e2guardian-local-exception-1", "e2guardian-sites"),
        "exceptionsitelist": ("e2guardian-exception-1", "e2guardian-sites"),
        "moreexceptions": ("e2guardian-exception-1", "e2guardian-sites"),
        "bannedurllist": ("e2guardian-banned-1", "e2guardian-urls"),
        "bannedregexpurllist": ("e2guardian-banned-1", "expressions"),
        "staffbannedsitelist": ("e2guardian-banned-2", "e2guardian-sites"),
        "bannedphraselist": ("banned", "phrases"),
        "phraselists/gambling/weighted": ("gambling", "phrases"),
        "bannedsearchlist": ("e2guardian-banned-search-1", "searches"),
    }
    assert {item.url_match for item in found.lists if item.format.startswith("e2guardian")} == {"parents"}
    assert {item.limit for item in found.lists if item.format == "phrases"} == {60}


def test_rules_stand_in_the_order_in_which_e2guardian_decides(found: Imported) -> None:
    """Local before main, exception before banned; group 1 is everybody else, so it comes last."""
    assert [(rule.name, rule.action, rule.who) for rule in found.rules] == [
        ("staff-room-banned", "block", ("group:staff-room",)),
        ("staff-room-blanket", "block", ("group:staff-room",)),
        ("pupils-local-exception", "allow", ()),
        ("pupils-exception", "allow", ()),
        ("pupils-banned-search", "block", ()),
        ("pupils-phrases", "block", ()),
        ("pupils-banned", "block", ()),
        ("pupils-rest", "allow", ()),
    ]
    banned = next(rule for rule in found.rules if rule.name == "pupils-banned")
    assert set(banned.what) == {"e2guardian-banned-1", "pornography"}


def test_groups_limits_and_members(found: Imported) -> None:
    """The limit hints at a band; users and addresses go to their group."""
    assert [(group.name, group.title, group.band) for group in found.groups] == [("staff-room", "Staff room", "staff")]
    assert dict(found.limits) == {"pupils": 60, "staff-room": 200}
    assert found.people == (("head", "staff-room"),)
    assert found.places == (("10.9.0.0/16", "staff-room"),)


def test_phrases_and_searches(found: Imported) -> None:
    """Included phrases, their category without its language; searches sorted."""
    assert [(item.parts, item.weight, item.category) for item in found.phrases] == [
        (("nerve agent",), 0, "banned"),
        (("poker",), 40, "gambling"),
    ]
    assert dict(found.searches) == {
        "girl+naughty": "lists/bannedsearchlist:1",
        "ape+zebra": "lists/bannedsearchlist:2",
    }


@pytest.mark.parametrize(
    ("file", "line", "told"),
    [
        ("lists/bannedsitelist", 4, "/elsewhere/domains is not in the imported folder"),
        ("lists/blacklists/porn/domains", 2, "empty label"),
        ("lists/exceptionsitelist", 1, "at some times only (12 0 13 0 01234)"),
        ("lists/bannedregexpurllist", 1, "regular expression"),
        ("lists/bannedregexpurllist", 2, "names one host"),
        ("lists/urlregexplist", 1, "changes requests"),
        ("lists/bannedsearchlist", 2, "not sorted"),
        ("lists/bannedextensionlist", 1, "extensions; not taken (2 lines)"),
        ("lists/nocheckcertsitelist", 1, "certificates are always checked"),
        ("lists/bannediplist", 1, "client's address"),
        ("lists/filtergroupslist", 3, "of a group there is"),
        ("lists/phraselists/gambling/weighted", 3, "not closed"),
        ("lists/staffbannedsitelist", 1, "closes everything else"),
        ("e2guardianf1.conf", 16, "no setting"),
        ("__LISTDIR__/missing", 0, "not in the imported folder"),
        (
            "lists/phraselists/unused/weighted",
            0,
            "no list includes: not in force there, not imported (1 file, 1 line)",
        ),
        ("phraselists", 0, "here each category has its own, up to the limit of its list"),
    ],
)
def test_what_has_no_equal_is_told(found: Imported, file: str, line: int, told: str) -> None:
    """With file and line."""
    assert told in why(found, file, line)


def test_every_line_is_in_force_or_told(found: Imported) -> None:
    """In every file that was read: taken, left out and followed are all lines that are no comment."""
    for counted in found.files:
        lines = [line.strip() for line in FILES[counted.file].splitlines()]
        wanted = sum(1 for line in lines if line and not line.startswith("#"))
        assert (counted.file, counted.taken + counted.left_out + counted.followed) == (counted.file, wanted)
    unread = set(FILES) - {counted.file for counted in found.files}
    assert {name for name in unread if not name.endswith(".conf")} == set()


def test_nothing_outside_the_folder_is_read(tmp_path: Path) -> None:
    """Not by `..`, not by a link, not by an absolute path: the configuration may be a stranger's."""
    root = write_installation(tmp_path)
    (tmp_path / "secret").write_text("secret.example\n")
    (root / "lists" / "link").symlink_to(tmp_path / "secret")
    (root / "lists" / "bannedsitelist").write_text(
        f".Include<__LISTDIR__/../../secret>\n.Include<{tmp_path}/secret>\n.Include<__LISTDIR__/link>\n"
    )
    found = import_e2guardian(root, load_taxonomy())
    assert not any("secret" in str(item.path) or "link" in str(item.path) for item in found.lists)
    assert [item.line for item in found.problems if item.list == "lists/bannedsitelist"] == [1, 2, 3]


def test_a_list_that_includes_itself_ends(tmp_path: Path) -> None:
    """Told at the line that goes round."""
    root = write_installation(tmp_path)
    (root / "lists" / "moreexceptions").write_text(".Include<__LISTDIR__/exceptionsitelist>\nplay.example\n")
    found = import_e2guardian(root, load_taxonomy())
    assert "includes this one" in why(found, "lists/moreexceptions", 1)


def test_lists_without_a_configuration_go_by_their_names(tmp_path: Path) -> None:
    """A folder of lists is one group; all phrase lists in it are read."""
    root = write_installation(tmp_path)
    for conf in root.glob("*.conf"):
        conf.unlink()
    found = import_e2guardian(root / "lists", load_taxonomy())
    assert "e2guardian-local-exception" in {item.category for item in found.lists}
    assert {item.parts for item in found.phrases} == {("nerve agent",), ("poker",), ("unused",)}


@pytest.mark.parametrize(
    ("file", "type", "label"),
    [
        ("bannedsitelist", "sitelist", "banned"),
        ("localgreyurllist", "urllist", "localgrey"),
        ("exceptionsiteiplist", "ipsitelist", "exception"),
        ("bannedregexpurllist", "regexpboollist", "banned"),
        ("weightedphraselist.in", "weightedphraselist", "weighted"),
        ("bannedextensionlist", "fileextlist", "banned"),
        ("bannedmimetypelist", "mimelist", "banned"),
        ("bannedsearchlist", "searchlist", "banned"),
    ],
)
def test_a_file_name_says_what_a_list_is(file: str, type: str, label: str) -> None:
    """The names e2guardian ships."""
    use = use_by_name(file, file)
    assert use is not None
    assert (use.type, use.label) == (type, label)


@pytest.mark.parametrize(("limit", "band"), [(50, "ks2"), (60, "ks2"), (100, "ks4"), (160, "ks5"), (161, "staff")])
def test_a_phrase_limit_hints_at_an_age(limit: int, band: str) -> None:
    """60 young children, 100 older ones, 160 young adults."""
    assert band_for(limit) == band


def without(root: Path, name: str, old: str, new: str) -> Path:
    """The installation with another line in one of its files."""
    file = root / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return root


def test_phrases_are_looked_for_where_they_were(tmp_path: Path) -> None:
    """In pages; in searches, too, for a group with a limit for them; when groups differ, in both, which is told."""
    root = write_installation(tmp_path)
    found = import_e2guardian(root, load_taxonomy())
    phrases = [item for item in found.lists if item.format == "phrases"]
    assert [item.apply_to for item in phrases] == [("page",)] * 2
    assert {item.apply_to for item in found.lists if item not in phrases} == {()}
    line = "weightedphraselist = '__LISTDIR__/weightedphraselist'\nsearchtermlimit = 200\n"
    root = without(root, "e2guardianf2.conf", "sitelist", f"{line}sitelist")
    found = import_e2guardian(root, load_taxonomy())
    assert {item.category: item.apply_to for item in found.lists if item.format == "phrases"} == {
        "banned": ("page",),
        "gambling": ("page", "search"),
    }
    assert "one group had its searches looked at" in why(found, "lists/phraselists/gambling/weighted", 0)


def test_a_limit_for_searches_is_the_limit_of_the_lists(tmp_path: Path) -> None:
    """A search is short: where the school had a lower limit for it, that one counts, which is told."""
    root = without(write_installation(tmp_path), "e2guardianf1.conf", "limit = 60", "limit = 60\nsearchtermlimit = 30")
    found = import_e2guardian(root, load_taxonomy())
    assert {(item.limit, item.apply_to) for item in found.lists if item.format == "phrases"} == {
        (30, ("page", "search"))
    }
    assert "pages may reach 60 and searches 30" in why(found, "lists/bannedphraselist", 0)


def test_groups_with_other_limits_get_the_lower_and_are_told(tmp_path: Path) -> None:
    """Both close what the list is about; a list has one limit here."""
    line = "weightedphraselist = '__LISTDIR__/weightedphraselist'\n"
    root = without(write_installation(tmp_path), "e2guardianf2.conf", "sitelist", f"{line}sitelist")
    found = import_e2guardian(root, load_taxonomy())
    assert [item.limit for item in found.lists if item.category == "gambling"] == [60]
    assert "groups have the limits 60 and 200" in why(found, "lists/phraselists/gambling/weighted", 0)
    assert [(rule.name, rule.what) for rule in found.rules if rule.name.endswith("-phrases")] == [
        ("staff-room-phrases", ("gambling",)),
        ("pupils-phrases", ("banned", "gambling")),
    ]


def test_where_no_phrase_was_looked_for_none_is_proposed(tmp_path: Path) -> None:
    """`weightedphrasemode` 0, for everybody or for a group, switches banned phrases off, too."""
    root = without(
        write_installation(tmp_path), "e2guardian.conf", "filtergroups", "weightedphrasemode = 0\nfiltergroups"
    )
    found = import_e2guardian(root, load_taxonomy())
    assert not found.phrases
    assert "`weightedphrasemode` is 0" in why(found, "lists/bannedphraselist", 2)
    root = without(root, "e2guardianf1.conf", "naughty", "weightedphrasemode = 1\nnaughty")
    found = import_e2guardian(root, load_taxonomy())
    assert len(found.phrases) == 2
    assert "as often as it stands there" in why(found, "e2guardianf1.conf", 2)


def test_what_only_speaks_for_a_text_closes_nothing(tmp_path: Path) -> None:
    """Its list is proposed, and no rule asks for its category."""
    root = without(write_installation(tmp_path), "lists/phraselists/gambling/weighted", "<poker><40>", "<odds><-40>")
    found = import_e2guardian(root, load_taxonomy())
    assert "gambling" in {item.category for item in found.lists}
    assert "gambling" not in {name for rule in found.rules for name in rule.what}


def test_a_search_that_was_let_through_stays_open(tmp_path: Path) -> None:
    """Above closed searches, and for nothing on a closed site."""
    line = "searchlist = 'name=override,path=__LISTDIR__/bannedsearchoveridelist'\nsearchlist"
    root = without(write_installation(tmp_path), "e2guardianf1.conf", "searchlist", line)
    (root / "lists" / "bannedsearchoveridelist").write_text("essex\n")
    rules = {rule.name: rule for rule in import_e2guardian(root, load_taxonomy()).rules}
    opened = rules["pupils-open-search"]
    assert opened.action == "allow"
    assert opened.what[0] == "e2guardian-open-search-1"
    assert set(opened.what[1:]) == {"not e2guardian-banned-1", "not pornography"}
    assert list(rules).index("pupils-open-search") < list(rules).index("pupils-banned-search")


def test_what_no_setting_names_is_told(tmp_path: Path) -> None:
    """Plugins, pages and storyboards by kind; a list by its name; nothing of them is imported."""
    root = write_installation(tmp_path)
    for name in ("authplugins/ip.conf", "languages/x/messages", "site.story", "lists/forgotten"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("# nothing\none.example\ntwo.example\n")
    found = import_e2guardian(root, load_taxonomy())
    assert "how people sign in" in why(found, "authplugins/ip.conf", 0)
    assert "words of its pages" in why(found, "languages/x/messages", 0)
    assert "order of decisions" in why(found, "site.story", 0)
    assert "named by no setting: not in force there (1 file, 2 lines)" in why(found, "lists/forgotten", 0)


def test_debians_lists_come_in_without_an_unexplained_line() -> None:
    """The lists that ship with the package: each line in force, told, or the name of a file that was read."""
    debian = need_unpacked("e2guardian", "etc/e2guardian/e2guardian.conf").parent
    found = import_e2guardian(debian, load_taxonomy())
    assert len(found.phrases) > 6_000
    assert sum(item.format in {"phrases", "exception-phrases"} for item in found.lists) > 30
    for counted in found.files:
        assert (counted.file, counted.taken + counted.left_out + counted.followed) == (
            counted.file,
            said_lines(debian / counted.file),
        )
    settings = {"e2guardian.conf", "e2guardianf1.conf"}
    lines = {file.relative_to(debian).as_posix(): said_lines(file) for file in debian.rglob("*") if file.is_file()}
    assert {counted.file for counted in found.files if counted.file in lines} >= {
        name for name, said in lines.items() if said and name not in settings
    }
    refused = [item for item in found.problems if not item.taken and item.list not in settings]
    assert sum(item.lines for item in refused) == sum(counted.left_out for counted in found.files)
    assert all(item.why for item in found.problems)


def said_lines(file: Path) -> int:
    """Lines of a file that are neither blank nor a comment."""
    raw = file.read_bytes().removeprefix(b"\xef\xbb\xbf")
    lines = [line.removeprefix(b"\xef\xbb\xbf").strip() for line in raw.split(b"\n")]
    return sum(1 for line in lines if line and not line.startswith(b"#"))
