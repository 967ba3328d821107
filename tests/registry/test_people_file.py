"""The office's spreadsheet goes in; what would change is shown first; nothing in it runs in anybody's spreadsheet."""

from __future__ import annotations

import csv
import io

import pytest
from sqlalchemy import Connection, Engine

from identity.basic import Credentials, PasswordCheck
from registry import people
from registry.change import RegistryError, revision_number
from registry.passwords import PasswordHash, new_hash
from registry.people import Details
from registry.people_file import ImportPlan, apply_import, export_people, hash_passwords, plan_import
from tests.registry.conftest import AT, CHEAP, OFFICE, WORDS, trail

FILE = f"""name,title,band,groups,site,shared,consent,password
Pupil-0417,Year 4 pupil,ks2,year-4;choir,oakwood,no,yes,{WORDS}
class3b,Class 3b,KS2,year-3,oakwood,yes,,{WORDS}
no-form,Pupil without form,ks1,,oakwood,,no,
"""


def plan(connection: Connection, text: str | bytes) -> ImportPlan:
    data = text.encode() if isinstance(text, str) else text
    return plan_import(connection, data, file="pupils.csv")


def cheap_hash(password: str, *, name: str, band: str | None, shared: bool) -> PasswordHash:
    return new_hash(password, name=name, band=band, shared=shared, cost=CHEAP)


def bring_in(connection: Connection, text: str) -> int:
    made = plan(connection, text)
    return apply_import(connection, made, hash_passwords(made, hasher=cheap_hash), OFFICE)


def test_a_class_comes_in(connection: Connection) -> None:
    """Names folded, groups split, flags read, passwords set, consent noted."""
    assert bring_in(connection, FILE) == 3
    pupil, shared, no_form = (people.get(connection, name) for name in ("pupil-0417", "class3b", "no-form"))
    assert pupil.details == Details("Year 4 pupil", "ks2", frozenset({"year-4", "choir"}), "oakwood")
    assert PasswordCheck(cost=CHEAP).verify(Credentials("pupil-0417", WORDS), pupil.person)
    assert shared.person.shared
    assert no_form.status(AT) == "no-consent"
    assert no_form.person.password_hash is None


def test_the_preview_changes_nothing(connection: Connection) -> None:
    """A plan says what would be added and changed, and the register is as it was."""
    bring_in(connection, FILE)
    before = (people.accounts(connection), revision_number(connection), len(trail(connection)))
    made = plan(connection, "name,band,title\npupil-0417,ks3,Year 4 pupil\nclass3b,ks2,Class 3b\nnew-pupil,ks1,\n")
    assert [(one.name, one.changes) for one in made.added] == [("new-pupil", ("band",))]
    assert [(one.name, one.changes) for one in made.changed] == [("pupil-0417", ("band",))]
    assert made.same == 1
    assert (people.accounts(connection), revision_number(connection), len(trail(connection))) == before


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("name\npupil-0417\n", Details("Year 4 pupil", "ks2", frozenset({"year-4", "choir"}), "oakwood")),
        ("name,band\npupil-0417,\n", Details("Year 4 pupil", None, frozenset({"year-4", "choir"}), "oakwood")),
        ("name,groups\npupil-0417,\n", Details("Year 4 pupil", "ks2", frozenset(), "oakwood")),
        ("name,shared\npupil-0417,\n", Details("Year 4 pupil", "ks2", frozenset({"year-4", "choir"}), "oakwood")),
        (
            "name,site\npupil-0417,elm-park\n",
            Details("Year 4 pupil", "ks2", frozenset({"year-4", "choir"}), "elm-park"),
        ),
    ],
    ids=["no columns", "empty band", "empty groups", "empty flag", "moved"],
)
def test_missing_columns_are_left_and_empty_cells_empty(connection: Connection, text: str, details: Details) -> None:
    """A file with two columns changes one thing; password and consent are never emptied."""
    bring_in(connection, FILE)
    bring_in(connection, text)
    account = people.get(connection, "pupil-0417")
    assert account.details == details
    assert account.person.password_hash is not None


def test_every_problem_of_the_file_at_once(connection: Connection) -> None:
    """Each problem names file and line; with one problem, nothing comes in."""
    bring_in(connection, "name\nleaver\n")
    people.remove(connection, "leaver", OFFICE)
    text = (
        "name,band,shared,password,title\n"
        "pupil-1,ks22,,,\n"
        "pupil-2,ks2,perhaps,,\n"
        "pupil-3,ks2,,short,\n"
        "pupil-4,ks2,,,=HYPERLINK(1)\n"
        "pupil-5,ks2\n"
        "Pupil-1,ks2,,,\n"
        "two words,ks2,,,\n"
        "leaver,ks2,,,\n"
        "fine,ks2,,,\n"
    )
    said = [str(problem) for problem in plan(connection, text).problems]
    for line, part in [
        (2, "did you mean 'ks2'?"),
        (3, "'perhaps' is neither yes nor no"),
        (4, "too short"),
        (5, "formula"),
        (6, "2 cells"),
        (7, "line 2 too"),
        (8, "no account name"),
        (9, "left on"),
    ]:
        assert any(text.startswith(f"pupils.csv:{line}:") and part in text for text in said), (line, said)
    assert len(said) == 8
    with pytest.raises(RegistryError):
        bring_in(connection, text)
    assert people.find(connection, "fine") is None


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "no column 'name'"),
        (b"nmae,band\nx,ks1\n", "did you mean 'name'?"),
        (b"name,band,band\nx,ks1,ks2\n", "two columns 'band'"),
        (b"name,title\nx,Zo\xeb\n", "CSV UTF-8"),
        (b'name,title\nx,"open\n', "not CSV"),
        (b"name;band\nx;ks1\n", "no column 'name'"),
        (b"\xff\xfen\x00a\x00m\x00e\x00", "CSV UTF-8"),
    ],
)
def test_files_that_cannot_be_read(connection: Connection, data: bytes, says: str) -> None:
    """What a spreadsheet saves in the wrong way is answered with what to do."""
    made = plan(connection, data)
    assert says in " ".join(map(str, made.problems))
    assert not made.added


def test_excel_files_are_read(connection: Connection) -> None:
    """A byte order mark, Windows line ends, quoted commas, blank lines and blanks around cells are fine."""
    data = '\ufeffname , title\r\n pupil-1 ,"Pupil, first"\r\n\r\n,\r\n'.encode()
    made = plan(connection, data)
    assert made.problems == ()
    assert made.added[0].after.title == "Pupil, first"


def test_a_password_is_not_shown_in_the_plan(connection: Connection) -> None:
    """A plan printed by mistake tells no password."""
    assert WORDS not in repr(plan(connection, FILE))
    assert WORDS not in str(plan(connection, FILE.replace("ks2", "ks9")).problems)


def test_the_register_goes_out_and_comes_back(engine: Engine) -> None:
    """The export says who, which band, granted by whom and when; read in again it changes nothing."""
    with engine.begin() as connection:
        bring_in(connection, FILE)
        text = export_people(people.accounts(connection), OFFICE)
    rows = {row["name"]: row for row in csv.DictReader(io.StringIO(text))}
    assert rows["no-form"]["status"] == "no-consent"
    assert rows["class3b"]["granted_by"] == "office"
    assert "argon2" not in text
    kept = ("name", "title", "band", "groups", "site", "shared", "consent")
    out = io.StringIO()
    writer = csv.DictWriter(out, kept, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows.values())
    with engine.begin() as connection:
        made = plan(connection, out.getvalue())
    assert (made.added, made.changed, made.same, made.problems) == ((), (), 3, ())
