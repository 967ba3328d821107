"""squidGuard.conf: destinations as lists, sources as groups, `pass` words as rules in order.

Shows: `categories.importers.tallies`
"""

from __future__ import annotations

from pathlib import Path

import pytest

from categories.importers.proposal import Imported
from categories.importers.squidguard_conf import import_squidguard
from categories.taxonomy import load_taxonomy
from tests.rig.tools import need_unpacked

CONF = r"""
dbhome /var/lib/squidguard/db

time lessons {
    weekly mtwhf 08:50-12:00
    weekly mtwhf 13:00-15:15
}
time evening {
    weekly * 17:00-22:00
}
rew safe {
    s@a@b@i
}
src office {
    ip 10.1.0.0/16 10.2.0.1-10.2.0.2
    user Head secretary
}
src pupils {
    iplist pupils.txt
    ldapusersearch ldap://school/
}
dest good {
    domainlist good/domains
}
dest adult {
    domainlist adult/domains
    urllist adult/urls
    expressionlist adult/expressions
    redirect http://block.school.example/
    log anonymous adult.log
}
dest games within lessons {
    domainlist games/domains
}
dest empty {
}
acl {
    office within lessons {
        pass good !adult any
    } else {
        pass any
    }
    pupils outside evening {
        pass good !in-addr !adult !games !nothing empty
        rewrite safe
    }
    strangers {
        pass none
    }
    default {
        pass good none games
        redirect http://block.school.example/
    }
}
"""
LISTS = {
    "good/domains": "school.example\n",
    "adult/domains": "adult.example\nbad..line\n",
    "adult/urls": "portal.example/adult\n",
    "adult/expressions": "sex\n",
    "games/domains": "games.example\n",
    "pupils.txt": "# the labs\n10.3.0.0/24\n",
}


@pytest.fixture
def found(tmp_path: Path) -> Imported:
    """The configuration of the tests, imported."""
    for name, text in LISTS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "squidGuard.conf").write_text(CONF)
    return import_squidguard(tmp_path / "squidGuard.conf", load_taxonomy())


def test_destinations_are_lists(found: Imported) -> None:
    """One that opens something stays a category of its own; one that only closes takes ours."""
    assert [(item.name, item.category, item.format, item.url_match) for item in found.lists] == [
        ("squidguard/good", "squidguard-good", "domains", "exact"),
        ("squidguard/adult", "pornography", "domains", "exact"),
        ("squidguard/adult/urls", "pornography", "urls", "exact"),
        ("squidguard/games", "squidguard-games", "domains", "exact"),
    ]


def test_the_acl_becomes_rules_in_its_order(found: Imported) -> None:
    """The first word that fits decides, `else` after its condition, `default` last, and the rest is open."""
    rules = [(rule.name, rule.action, rule.what, rule.who, rule.when) for rule in found.rules]
    lessons, office, pupils = ("lessons-1", "lessons-2"), ("group:office",), ("group:pupils",)
    outside = ("not evening",)
    assert rules == [
        ("office-1-1-good", "allow", ("squidguard-good",), office, lessons),
        ("office-1-2-adult", "block", ("pornography",), office, lessons),
        ("office-1-3-any", "allow", ("anything",), office, lessons),
        ("office-2-1-any", "allow", ("anything",), office, ()),
        ("pupils-1-good", "allow", ("squidguard-good",), pupils, outside),
        ("pupils-2-in-addr", "block", ("signal:ip-literal",), pupils, outside),
        ("pupils-3-adult", "block", ("pornography",), pupils, outside),
        ("pupils-4-games", "block", ("squidguard-games",), pupils, (*outside, *lessons)),
        ("pupils-7-all", "allow", ("anything",), pupils, outside),
        ("default-1-good", "allow", ("squidguard-good",), (), ()),
        ("default-2-none", "block", ("anything",), (), ()),
    ]


def test_sources_are_groups_with_members(found: Imported) -> None:
    """Addresses, ranges, lists of addresses, and users."""
    assert [group.name for group in found.groups] == ["office", "pupils"]
    assert found.places == (
        ("10.1.0.0/16", "office"),
        ("10.2.0.1", "office"),
        ("10.2.0.2", "office"),
        ("10.3.0.0/24", "pupils"),
    )
    assert found.people == (("head", "office"), ("secretary", "office"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("rewrite safe", "SafeSearch is built in"),
        ("source office", "squidGuard wants both"),
        ("ldapusersearch ldap://school/", "no address and no user"),
        ("redirect http://block.school.example/", "block page is built in"),
        ("log anonymous adult.log", "every request is in the record"),
        ("dest empty", "holds no entry"),
        ("bad..line", "empty label"),
        ("sex", "regular expression"),
        ("!nothing", "no destination there is"),
        ("strangers", "no source there is"),
        ("games", "never decided anything"),
    ],
)
def test_what_has_no_equal_is_told(found: Imported, text: str, why: str) -> None:
    """With the line it stands in."""
    told = [item for item in found.problems if item.text == text and why in item.why]
    assert told
    assert all(item.line for item in told)


def test_every_line_of_every_list_is_in_force_or_told(found: Imported) -> None:
    """Taken and left out are all lines."""
    for counted in found.files:
        assert counted.taken + counted.left_out == len(LISTS[counted.file].splitlines())


def test_a_missing_list_leaves_closed_what_we_know(tmp_path: Path) -> None:
    """A rule that closes pornography is kept: other lists of that category serve it."""
    conf = tmp_path / "squidGuard.conf"
    conf.write_text("dest porn {\n domainlist porn/domains\n}\nacl {\n default {\n pass !porn all\n }\n}\n")
    found = import_squidguard(conf, load_taxonomy())
    assert [(rule.action, rule.what) for rule in found.rules] == [
        ("block", ("pornography",)),
        ("allow", ("anything",)),
    ]
    assert {"porn/domains" in item.text or item.taken for item in found.problems} == {True}


def test_debians_configuration_comes_in_without_an_unexplained_line() -> None:
    """The one that ships with the package: each line is taken, changed with a reason or refused with one."""
    debian = need_unpacked("squidguard", "usr/share/doc/squidguard/examples/sample.conf")
    found = import_squidguard(debian, load_taxonomy())
    said = {
        number: line.strip()
        for number, line in enumerate(debian.read_text("utf-8").splitlines(), 1)
        if line.strip().strip("{}") and not line.strip().startswith("#")
    }
    changed = [item.line for item in found.problems if item.taken]
    refused = [item.line for item in found.problems if not item.taken]
    assert all(item.why for item in found.problems)
    assert sorted(changed) == [31, 55]
    assert sorted(refused) == [15, 22, 34, 49, 52, 56, 57, 58, 59, 80, 81]
    of_a_refused_block = {23, 24}
    taken = {number: line.split() for number, line in said.items() if number not in {*changed, *refused}}
    assert taken.keys() >= of_a_refused_block
    assert {number: " ".join(words[:2]) for number, words in taken.items() if number not in of_a_refused_block} == {
        5: "dbhome /var/lib/squidguard/db",
        6: "logdir /var/log/squidguard",
        13: "time workhours",
        14: "weekly mtwhf",
        32: "ip 1.2.3.4",
        33: "user root",
        37: "src foo-clients",
        38: "ip 172.16.2.32-172.16.2.100",
        41: "src bar-clients",
        42: "ip 172.16.4.0/26",
        63: "acl {",
        64: "admin {",
        65: "pass any",
        68: "foo-clients within",
        69: "pass good",
        70: "} else",
        71: "pass any",
        74: "bar-clients {",
        75: "pass local",
        78: "default {",
        79: "pass local",
    }
    assert len(taken) + len(changed) + len(refused) == len(said)
    assert [(item.name, item.days, item.times) for item in found.schedules] == [
        ("workhours", "mon, tue, wed, thu, fri", ("08:00-16:30",))
    ]
    assert [group.name for group in found.groups] == ["admin", "foo-clients", "bar-clients"]
    assert len(found.places) == 8
    assert found.people == (("root", "admin"), ("foo", "admin"), ("bar", "admin"))
    assert [(rule.note.split()[-1], rule.action, rule.what, rule.who, rule.when) for rule in found.rules] == [
        ("65", "allow", ("anything",), ("group:admin",), ()),
        ("69", "block", ("signal:ip-literal",), ("group:foo-clients",), ("workhours",)),
        ("69", "block", ("pornography",), ("group:foo-clients",), ("workhours",)),
        ("69", "allow", ("anything",), ("group:foo-clients",), ("workhours",)),
        ("71", "allow", ("anything",), ("group:foo-clients",), ()),
        ("75", "block", ("anything",), ("group:bar-clients",), ()),
        ("79", "block", ("anything",), (), ()),
    ]
