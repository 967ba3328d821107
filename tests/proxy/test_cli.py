"""The command line as people type it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from proxy.cli import main, make_parser, named
from proxy.commands import COMMANDS


@pytest.mark.parametrize(
    "words",
    [
        ["--settings", "{file}", "doctor"],
        ["doctor", "--settings", "{file}"],
        ["--settings", "{bad}", "doctor", "--settings", "{file}"],  # the later one counts
        ["doctor", "--settings={file}", "--json"],
        ["lists", "--settings", "{file}", "status"],
        ["lists", "status", "--settings", "{file}"],
    ],
)
def test_settings_may_stand_before_and_after_the_command(tmp_path: Path, words: list[str]) -> None:
    """People write both."""
    names = {"file": str(tmp_path / "good.yaml"), "bad": str(tmp_path / "bad.yaml")}
    args = make_parser().parse_args([word.format(**names) for word in words])
    assert args.settings == tmp_path / "good.yaml"


def test_a_data_folder_may_be_named_anywhere_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And wins over the settings' one."""
    (tmp_path / "schoolgate.yaml").write_text("data: from-settings\n")
    words = ["--settings", str(tmp_path / "schoolgate.yaml")]
    for command in (["--data", str(tmp_path / "other"), "doctor"], ["doctor", "--data", str(tmp_path / "other")]):
        main([*words, *command])
        told = capsys.readouterr().out
        assert str(tmp_path / "other") in told
        assert "from-settings" not in told


@pytest.mark.parametrize("words", [[], ["nonsense"], ["explain"], ["doctor", "--nonsense"], ["lists"]])
def test_a_slip_of_the_pen_is_exit_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Usage on stderr, nothing on stdout."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert (told.out, "usage: schoolgate" in told.err) == ("", True)


@pytest.mark.parametrize("command", [["doctor"], ["reload"], ["explain", "example.org"]])
def test_broken_settings_end_every_command_with_all_problems(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Exit 2, on stderr."""
    file = tmp_path / "schoolgate.yaml"
    file.write_text("proxi: 1\nmetrik: 2\n")
    assert main(["--settings", str(file), *command]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        f"{file}:1: proxi: unknown setting (did you mean 'proxy'?)",
        f"{file}:2: metrik: unknown setting (did you mean 'metrics'?)",
    ]


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`schoolgate COMMAND --help` ends with 0 and says what it takes."""
    for command in COMMANDS:
        with pytest.raises(SystemExit) as ended:
            main([command, "--help"])
        assert ended.value.code == 0
        assert f"usage: schoolgate {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["doctor"], "doctor"),
        (["doctor", "--settings", "lists"], "doctor"),
        (["--settings", "lists", "--debug", "doctor", "--json"], "doctor"),
        (["--settings=lists", "--data=log", "doctor"], "doctor"),
        (["--settings", "doctor"], None),
        (["--settings"], None),
        (["--sett", "lists", "doctor"], None),
        (["--help"], None),
        (["nonsense"], None),
        ([], None),
    ],
)
def test_the_command_asked_for_is_plain_or_the_whole_command_line_says(words: list[str], command: str | None) -> None:
    """What follows `--settings` is no command; whatever is not plain, help and slips included, is left to all."""
    assert named(words) == command


def test_a_command_waits_for_no_other_command_to_load() -> None:
    """A gateway is three commands, and people type them all day."""
    code = (
        "import sys, contextlib; from proxy.cli import main\n"
        "with contextlib.suppress(SystemExit): main(['run', '--help'])\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = asked.stderr.split()
    assert [name for name in loaded if name.startswith("proxy.commands.")] == ["proxy.commands.run"]
    assert not {"requests", "urllib3", "mitmproxy", "jinja2", "logstore.schema"} & set(loaded)


def test_it_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """For bug reports."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith("schoolgate ")


def test_reading_half_of_the_answer_is_no_crash(tmp_path: Path) -> None:
    """`schoolgate … | head -1`: no traceback when the reader goes."""
    urls = "".join(f"site-{number}.example\n" for number in range(5000))
    command = [sys.executable, "-m", "proxy", "--data", str(tmp_path), "explain", "-"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        process.stdin.write(urls[:40000])
        process.stdin.flush()
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        try:
            process.stdin.write(urls[40000:])
            process.stdin.close()
        except BrokenPipeError:
            pass
        assert process.wait(60) == 1
        assert "Traceback" not in process.stderr.read()
