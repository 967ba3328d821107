"""The grammar of squidGuard.conf: blocks, times, else; what is none is told.

Shows: `categories.importers.squidguard_times`
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categories.importers.proposal import ProposedSchedule
from categories.importers.squidguard_grammar import parse_squidguard
from categories.importers.squidguard_times import schedules_of
from categories.model import Problem


def test_blocks_and_what_follows_else() -> None:
    """However the braces stand on the lines."""
    text = """
dbhome /var/lib/lists   # where
src pupils { ip 10.0.0.0/8
  user a b }
acl {
    pupils within lessons {
        pass !games all
    } else {
        pass all
    }
    default
    {
        pass none
    }
}
"""
    found = parse_squidguard(text, "conf")
    assert found.problems == []
    assert found.settings["dbhome"].words == ["dbhome", "/var/lib/lists"]
    assert [(block.kind, block.name, block.line) for block in found.blocks] == [
        ("source", "pupils", 3),
        ("acl", "pupils", 6),
        ("acl", "default", 11),
    ]
    pupils = found.of_kind("acl")[0]
    assert [(part.border, part.time, [s.text for s in part.statements]) for part in pupils.parts] == [
        ("within", "lessons", ["pass !games all"]),
        ("", "", ["pass all"]),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("dest games\n", "no `{`"),
        ("acl {\n pupils\n}\n", "no `{`"),
        ("dest games {\n domainlist d\n", "never closed"),
        ("acl {\n", "never closed"),
        ("}\n", "belongs to no block"),
        ("ldapbinddn cn=root\n", "no list and no rule"),
        ("src pupils sometimes {\n}\n", "no `within time`"),
    ],
)
def test_what_is_not_of_the_grammar_is_told(text: str, why: str) -> None:
    """With its line."""
    assert [why in item.why for item in parse_squidguard(text, "conf").problems] == [True]


@pytest.mark.parametrize(
    ("line", "days", "times"),
    [
        ("weekly mtwhf 08:00 - 16:30", "mon, tue, wed, thu, fri", ("08:00-16:30",)),
        ("weekly * 00:00-08:00 17:00-24:00", "daily", ("00:00-08:00", "17:00-24:00")),
        ("weekly fridays 16:00-17:00", "fri", ("16:00-17:00",)),
        ("weekly sa 9:00-12:00", "sun, sat", ("09:00-12:00",)),
        ("weekly monday wednesday 08:00-09:00", "mon, wed", ("08:00-09:00",)),
        ("weekly sat", "sat", ("00:00-24:00",)),
    ],
)
def test_weekly_times_are_schedules(line: str, days: str, times: tuple[str, ...]) -> None:
    """Letters (h is Thursday, a Saturday), names, or every day."""
    block = parse_squidguard(f"time lessons {{\n{line}\n}}", "conf").blocks[0]
    assert list(schedules_of(block, "conf")) == [ProposedSchedule("lessons", days, times)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("date *.12.25", "is a date"),
        ("date 2026-04-14-2026-04-17", "is a date"),
        ("weekly mxz 08:00-09:00", "is no `weekly"),
        ("weekly m 08:00-25:00", "is no `weekly"),
        ("sometimes", "is no `weekly"),
    ],
)
def test_other_times_are_told(line: str, why: str) -> None:
    """A school's calendar holds dates."""
    block = parse_squidguard(f"time lessons {{\n{line}\n}}", "conf").blocks[0]
    assert [isinstance(item, Problem) and why in item.why for item in schedules_of(block, "conf")] == [True]


@given(st.text(st.sampled_from(list("acl dest{}\n pass!all within else src #")), max_size=120))
def test_no_text_breaks_the_reader(text: str) -> None:
    """It ends, whatever the braces."""
    parse_squidguard(text, "conf")
