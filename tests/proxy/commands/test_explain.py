"""`schoolgate explain` as people and programs use it: a real data folder, the real preset, no running proxy."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from identity.directory import Directory, Person, Place
from policy.client import Band
from policy.engine import Engine
from proxy import assembly
from proxy.cli import main
from proxy.commands.explain import Asker, Misasked, answer_lines, read_moment
from proxy.settings import Settings

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 24, 10, 20, tzinfo=LONDON)
TUESDAY = ["--at", "2026-11-24T10:20"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with compiled starter lists."""
    folder = tmp_path_factory.mktemp("data")
    assembly.compile_lists(Settings(data=folder))
    return folder


@pytest.fixture(scope="module")
def engine(data: Path) -> Engine:
    """The engine in force there."""
    return assembly.open_engine(Settings(data=data))


@pytest.fixture
def run(data: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command line: status, output, talk."""

    def _run(*words: str) -> tuple[int, str, str]:
        status = main(["--data", str(data), "explain", *words])
        told = capsys.readouterr()
        return status, told.out, told.err

    return _run


DIRECTORY = Directory(
    {
        person.name: person
        for person in (
            Person("pupil-0204", "hash", groups=frozenset({"year-4"})),
            Person("pupil-0300", "hash", band="ks3", consent=False),
            Person("teacher-12", "hash", groups=frozenset({"teaching-staff"})),
            Person("leaver", "hash", band="ks4", disabled=True),
        )
    },
    [Place("10.4.2.0/24", "oakwood"), Place("10.9.0.17", "riverside", "lab2-14", band="ks4", shared=True)],
)


@pytest.fixture
def asker(engine: Engine) -> Asker:
    """Somebody who asks, with people and places known."""
    return Asker(engine, DIRECTORY, lambda: NOW)


def test_allowed_is_zero_and_blocked_is_one(run: Callable[..., tuple[int, str, str]]) -> None:
    """Scripts ask with the exit status."""
    status, out, _ = run("https://www.childline.org.uk/", "--band", "ks1", *TUESDAY)
    assert (status, out.startswith("ALLOWED")) == (0, True)
    status, out, _ = run("https://plain-page.example.org/", "--band", "ks1", *TUESDAY)
    assert (status, out.startswith("BLOCKED")) == (1, True)


def test_json_has_the_promised_keys(run: Callable[..., tuple[int, str, str]]) -> None:
    """One object on standard output, nothing else."""
    status, out, err = run("https://www.roblox.com/", "--group", "year-10", "--site", "riverside", "--json", *TUESDAY)
    told = json.loads(out)
    assert (status, err) == (1, "")
    assert (told["action"], told["category"], told["band"], told["blocked"]) == ("block", "games", "ks4", True)
    assert {"reason", "tier", "rule", "categories", "list", "entry", "matches", "outranked", "revision"} <= set(told)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["https://x.example", "--band", "ks22"], "unknown band 'ks22' (did you mean 'ks2'?)"),
        (["https://x.example", "--site", "oakwod"], "unknown site 'oakwod' (did you mean 'oakwood'?)"),
        (["https://x.example", "--group", "year4"], "unknown group 'year4' (did you mean 'year-4'?)"),
        (["https://x.example", "--at", "noon"], "'noon' is not a time"),
        (["https://x.example", "--at", "25:61"], "'25:61' is not a time"),
        (["https://"], "is not a URL"),
        (["-", "--band", "ks22"], "unknown band"),
    ],
)
def test_a_wrong_question_is_two_and_says_what_would_be_right(
    run: Callable[..., tuple[int, str, str]], words: list[str], said: str
) -> None:
    """Usage errors go to standard error with the next thing to try."""
    status, out, err = run(*words)
    assert (status, out) == (2, "")
    assert said in err
    assert "next:" in err


def test_a_policy_that_cannot_be_read_is_two_and_names_the_line(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Blocked and broken must not look the same to a script."""
    own = data / "policy.yaml"
    own.write_text("schoolgate: 1\npolices: []\n", encoding="utf-8")
    try:
        assert main(["--data", str(data), "explain", "https://x.example"]) == 2
    finally:
        own.unlink()
    assert "policy.yaml:2: unknown key in the policy: 'polices' (did you mean 'policies'?)" in capsys.readouterr().err


def lines(asker: Asker, text: bytes, **flags: object) -> list[dict[str, object]]:
    """What `explain -` answers."""
    out = io.StringIO()
    answer_lines(asker, flags, io.BytesIO(text), out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_many_are_answered_a_line_each_and_a_bad_line_stops_nothing(asker: Asker) -> None:
    """Every line has its answer, in order, rubbish included."""
    text = (
        b"https://www.roblox.com/\n\n"
        b'{"url": "https://www.childline.org.uk/", "band": "ks1"}\n'
        b'{"url": "https://www.roblox.com/", "group": "year-4", "band": null, "site": "oakwood", "at": "tue 10:20"}\n'
        b"http://[::bad\n"
        b'{"url": "https://x.example", "bnd": "ks1"}\n'
        b'{"url": 7}\n{"url"\n[1]\n\xff\xfe\n'
        b'{"url": "https://x.example", "band": ["ks1"]}\n'
        b'{"url": "https://x.example", "stage": "response"}\n'
        b"plain-page.example.org\n"
    )
    answers = lines(asker, text, band="ks4", site="riverside", at="10:20")
    assert [answer.get("action", "error") for answer in answers] == [
        "block", "allow", "block", "error", "error", "error", "error", "error", "error", "error", "error", "allow",
    ]  # fmt: skip
    assert "unknown key 'bnd'" in str(answers[4]["error"])
    assert [answers[2]["band"], answers[0]["band"]] == ["ks2", "ks4"]


def test_lines_agree_with_single_answers(asker: Asker) -> None:
    """The stream is the same question asked many times."""
    single = asker.ask("https://www.roblox.com/", {"band": "ks4", "site": "riverside", "at": "10:20"}).as_json()
    assert lines(asker, b"https://www.roblox.com/\n", band="ks4", site="riverside", at="10:20") == [single]


def test_an_account_is_answered_as_if_it_had_signed_in(asker: Asker) -> None:
    """Groups, site and device come from the directory, as in the gateway."""
    pupil = asker.ask("https://x.example", {"user": "Pupil-0204", "address": "10.4.2.17"})
    assert (pupil.client.user, pupil.client.site, pupil.verdict.band) == ("pupil-0204", "oakwood", Band.KS2)
    assert pupil.client.verified
    machine = asker.ask("https://x.example", {"address": "::ffff:10.9.0.17"})
    assert (machine.client.device, machine.client.band, machine.client.shared) == ("lab2-14", Band.KS4, True)
    assert machine.client.user is None


def test_somebody_nobody_knows_meets_the_strictest_band(asker: Asker) -> None:
    """And the asker is told that the name is unknown."""
    answer = asker.ask("https://x.example", {"user": "ghost"})
    assert (answer.verdict.band, answer.client.user) == (Band.EYFS, None)
    assert "ghost" in asker.notes[0]


@pytest.mark.parametrize(("user", "rule"), [("leaver", "identity:disabled"), ("pupil-0300", "identity:consent")])
def test_who_may_not_browse_is_refused_before_the_policy(asker: Asker, user: str, rule: str) -> None:
    """As in the gateway."""
    answer = asker.ask("https://www.bbc.co.uk/", {"user": user}).as_json()
    assert (answer["action"], answer["reason"], answer["rule"]) == ("block", "identity", rule)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("", NOW),
        ("14:05", datetime(2026, 11, 24, 14, 5, tzinfo=LONDON)),
        ("tue 14:05", datetime(2026, 11, 24, 14, 5, tzinfo=LONDON)),
        ("Monday 9:00", datetime(2026, 11, 30, 9, 0, tzinfo=LONDON)),
        ("2026-03-30T09:00", datetime(2026, 3, 30, 9, 0, tzinfo=LONDON)),
        ("2026-11-24T09:00:00Z", datetime(2026, 11, 24, 9, 0, tzinfo=ZoneInfo("UTC"))),
    ],
)
def test_times_as_people_write_them(text: str, moment: datetime) -> None:
    """On the wall clock of the school, unless a zone is said."""
    assert read_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["noon", "xyz 10:20", "24:00", "10:60", "2026-13-01"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    """With what would have been right."""
    with pytest.raises(Misasked, match="write 10:20"):
        read_moment(text, NOW)
