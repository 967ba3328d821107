"""Reading a sign-in header, and checking passwords once instead of thirty times."""

from __future__ import annotations

import base64
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.basic import HEADER_LIMIT, Cost, Credentials, PasswordCheck, hash_password, parse_basic
from identity.directory import Person, account_name

CHEAP = Cost(memory=64, passes=1)
"""So that a test costs no second; the real cost is checked once."""


def header(text: str | bytes, scheme: str = "Basic") -> str:
    octets = text.encode() if isinstance(text, str) else text
    return f"{scheme} {base64.b64encode(octets).decode()}"


@pytest.mark.parametrize(
    ("told", "name", "password"),
    [
        (header("pupil-0417:otter kite lamp"), "pupil-0417", "otter kite lamp"),
        (header("Pupil-0417:otter"), "pupil-0417", "otter"),
        (header("teacher:a:b::c"), "teacher", "a:b::c"),
        (header("teacher:"), "teacher", ""),
        (header("zoë:schlüssel"), "zoë", "schlüssel"),
        (header("zoë:schlüssel".encode("latin-1")), "zoë", "schlüssel"),
        (header("zoe\u0308:schlu\u0308ssel"), "zoë", "schlüssel"),
        (header("ｐｕｐｉｌ:x"), "pupil", "x"),
        (header("teacher:otter", "BASIC"), "teacher", "otter"),
        ("Basic   " + header("teacher:otter").removeprefix("Basic ") + " ", "teacher", "otter"),
    ],
)
def test_reads_names_and_passwords(told: str, name: str, password: str) -> None:
    """UTF-8 or Latin-1, colons in the password, any case of the name: one spelling comes out."""
    assert parse_basic(told) == Credentials(name, password)


@pytest.mark.parametrize(
    "told",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic dGVhY2hlcg",
        "Basic dGVhY2hlcjpvdHRlcg",
        "Basic dGVhY2hlcjpvdHRlcg== trailing",
        "Basic dGVhY2hlcjpvdHRlcg==, Basic dGVhY2hlcjpvdHRlcg==",
        header("no colon here"),
        header(":password without a name"),
        header("  :password without a name"),
        header("tea\x00cher:otter"),
        header("teacher:ot\nter"),
        header("teacher:otter", "Bearer"),
        header("teacher:otter", "Negotiate"),
        "Básic dGVhY2hlcjpvdHRlcg==",
        header("teacher:" + "x" * HEADER_LIMIT),
        "Basic \udcff\udcfe",
    ],
)
def test_what_is_not_a_sign_in_is_none(told: str | None) -> None:
    """Anything malformed, oversized or of another scheme proves nothing and raises nothing."""
    assert parse_basic(told) is None


@given(
    st.text(max_size=200) | st.binary(max_size=200).map(header) | st.binary(max_size=99).map(lambda b: f"Basic {b!r}")
)
def test_no_header_raises(told: str) -> None:
    """Whatever a client sends, reading it gives credentials in canonical form or None."""
    credentials = parse_basic(told)
    assert credentials is None or (credentials.name and credentials.name == account_name(credentials.name))


@given(
    st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters=":"), min_size=1, max_size=30),
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=60),
)
def test_what_a_browser_writes_is_read_back(name: str, password: str) -> None:
    """A name and password written as RFC 7617 says are read back in their one spelling."""
    credentials = parse_basic(header(f"{name}:{password}"))
    if account_name(name):
        assert credentials is not None
        assert credentials.name == account_name(name)
        assert parse_basic(header(f"{credentials.name}:{credentials.password}")) == credentials
    else:
        assert credentials is None


def test_credentials_do_not_show_the_password() -> None:
    """Neither the credentials nor the person gives a secret away when printed into a log."""
    secret = hash_password("otter kite lamp", CHEAP)
    assert "otter" not in repr(Credentials("teacher", "otter kite lamp"))
    assert secret not in repr(Person("teacher", secret))


def test_the_real_cost_is_argon2id_with_enough_memory() -> None:
    """New hashes are Argon2id with at least OWASP's 19 MiB and two passes."""
    kind, version, cost = hash_password("otter kite lamp").split("$")[1:4]
    numbers = dict(part.split("=") for part in cost.split(","))
    assert (kind, version) == ("argon2id", "v=19")
    assert int(numbers["m"]) >= 19456
    assert int(numbers["t"]) >= 2


class CountingCheck(PasswordCheck):
    """Counts how often Argon2 really ran."""

    def __init__(self, **options: object) -> None:
        super().__init__(cost=CHEAP, **options)  # type: ignore[arg-type]
        self.runs = 0
        self._count = threading.Lock()

    def _matches(self, password_hash: str | None, password: str) -> bool:
        with self._count:
            self.runs += 1
        return super()._matches(password_hash, password)


TEACHER = Person("teacher", hash_password("otter kite lamp", CHEAP))
RIGHT = Credentials("teacher", "otter kite lamp")
WRONG = Credentials("teacher", "otter kite lamb")


def test_the_right_password_is_worked_out_once() -> None:
    """The second connection of a browser is answered from memory."""
    check = CountingCheck()
    assert check.quick(RIGHT, TEACHER) is None
    assert check.verify(RIGHT, TEACHER)
    assert check.quick(RIGHT, TEACHER) is True
    assert check.verify(RIGHT, TEACHER)
    assert check.runs == 1


def test_thirty_connections_at_once_cost_one_hash() -> None:
    """A browser that opens thirty connections at the same moment costs one Argon2 run."""
    check = CountingCheck()
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: check.verify(RIGHT, TEACHER), range(30)))
    assert answers == [True] * 30
    assert check.runs == 1


@pytest.mark.parametrize(
    ("credentials", "person"),
    [
        (WRONG, TEACHER),
        (Credentials("teacher", ""), TEACHER),
        (Credentials("nobody", "otter kite lamp"), None),
        (Credentials("pupil", "otter kite lamp"), TEACHER),
        (RIGHT, Person("teacher", None)),
        (Credentials("teacher", ""), Person("teacher", "")),
        (RIGHT, Person("teacher", "otter kite lamp")),
        (RIGHT, Person("teacher", "$argon2id$v=19$m=64,t=1,p=1$damaged")),
        (Credentials("teacher", "\ud800"), TEACHER),
    ],
    ids=["wrong", "empty", "unknown", "other account", "no hash", "empty hash", "plain text", "damaged", "surrogate"],
)
def test_everything_else_is_no(credentials: Credentials, person: Person | None) -> None:
    """Only the password that fits this account's own hash is right; the no is remembered, and works a hash too."""
    check = CountingCheck()
    assert not check.verify(credentials, person)
    assert check.quick(credentials, person) is False
    assert check.runs == 1


def test_a_changed_password_ends_what_was_remembered() -> None:
    """After a change the old password is asked for again and is wrong; the new one is right."""
    check = CountingCheck()
    check.verify(RIGHT, TEACHER)
    changed = Person("teacher", hash_password("lamp kite otter", CHEAP))
    assert check.quick(RIGHT, changed) is None
    assert not check.verify(RIGHT, changed)
    assert check.verify(Credentials("teacher", "lamp kite otter"), changed)


def test_memory_is_limited_in_time_and_size() -> None:
    """What is remembered ends with its time, and guesses never push good answers out."""
    now = 0.0
    check = CountingCheck(remember=60.0, size=3, clock=lambda: now)
    assert check.verify(RIGHT, TEACHER)
    for guess in range(10):
        assert not check.verify(Credentials("teacher", f"guess {guess}"), TEACHER)
    assert check.quick(RIGHT, TEACHER) is True
    assert check.quick(Credentials("teacher", "guess 0"), TEACHER) is None
    assert check.quick(Credentials("teacher", "guess 9"), TEACHER) is False
    now = 61.0
    assert check.quick(RIGHT, TEACHER) is None


def test_no_password_is_kept() -> None:
    """Nothing the check holds contains a password or a name."""
    check = CountingCheck()
    check.verify(RIGHT, TEACHER)
    check.verify(WRONG, TEACHER)
    held = b"".join(key for answers in check._answers.values() for key in answers._until)
    assert b"otter" not in held
    assert b"teacher" not in held
    assert len(held) == 64
