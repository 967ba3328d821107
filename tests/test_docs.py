"""What the documentation says is true: links lead somewhere, commands, settings and make targets exist."""

from __future__ import annotations

import argparse
import contextlib
import enum
import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from categories.taxonomy import load_taxonomy
from logstore.record import EndingKind
from policy.client import Band
from policy.model import Action, Reason, Stage, Tier
from proxy.cli import make_parser
from proxy.settings import Settings, parse_settings
from tests.conftest import REPOSITORY

PAGES = sorted(
    file
    for file in (*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "deploy").rglob("*.md"))
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")


def short(file: Path) -> str:
    return str(file.relative_to(REPOSITORY))


def anchor(heading: str) -> str:
    """The anchor a forge gives a heading."""
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"`", "", heading).strip().lower())
    return kept.replace(" ", "-")


def anchors(file: Path) -> set[str]:
    return {anchor(line.lstrip("#")) for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")}


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (fragment and file.suffix == ".md" and fragment not in anchors(file)):
            broken.append(target)
    assert not broken


def said(page: Path, word: str) -> set[str]:
    """Command lines on a page that begin with `word`, in fences and inline."""
    text = page.read_text(encoding="utf-8")
    lines = [line.strip().lstrip("$ ").strip() for _, block in FENCE.findall(text) for line in block.splitlines()]
    lines += [inline.strip() for inline in INLINE.findall(FENCE.sub("", text))]
    return {line for line in lines if re.match(rf"(?:\S*/)?{word}(?: |$)", line)}


@cache
def help_of(*words: str) -> str | None:
    """The help text of a sub-command; None when there is no such command."""
    told = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as environment,
        contextlib.redirect_stdout(told),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        environment.setenv("COLUMNS", "200")
        environment.setenv("PYTHON_COLORS", "0")
        with pytest.raises(SystemExit) as ended:
            command_line().parse_args([*words, "--help"])
    return told.getvalue() if ended.value.code == 0 else None


@cache
def command_line() -> argparse.ArgumentParser:
    """The whole of it, in this process: a process for every word of the documentation takes minutes."""
    return make_parser()


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_schoolgate_commands_exist_with_their_options(page: Path) -> None:
    wrong = []
    for line in said(page, "schoolgate"):
        words = re.sub(r"^\S+((?: --(?:settings|data) \S+)*)", "", re.split(r"\s[|>#]", line)[0]).split()
        path: list[str] = []
        for word in words:
            if not re.fullmatch(r"[a-z][a-z-]*", word) or help_of(*path, word) == help_of(*path):
                break
            if help_of(*path, word) is None:
                if not path:
                    wrong.append(f"{line}: no command {word!r}")
                break
            path.append(word)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", line):
            if option not in (help_of(*path) or "") and option not in (help_of() or ""):
                wrong.append(f"{line}: no option {option}")
    assert not wrong


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = {line.split()[1] for line in said(page, "make") if len(line.split()) > 1 and line.split()[1].isalpha()}
    assert named <= targets


def settings_names(model: type[BaseModel] = Settings, before: str = "") -> set[str]:
    """Dotted names of every setting."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        names.add(before + name)
        inner: Any = getattr(field.annotation, "__args__", (field.annotation,))[0]
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names |= settings_names(inner, f"{before}{name}.")
    return names


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_dotted_settings_exist(page: Path) -> None:
    sections = {
        name for name in Settings.model_fields if any(other.startswith(f"{name}.") for other in settings_names())
    }
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    named = {word for word in INLINE.findall(text) if re.fullmatch(r"[a-z_]+\.[a-z_]+", word)}
    files = (".py", ".yaml", ".md", ".txt", ".db", ".pem", ".json", ".toml", ".service", ".pac", ".dat", ".log")
    unknown = {word for word in named if word.split(".")[0] in sections and not word.endswith(files)} - settings_names()
    unknown = {word for word in unknown if not (REPOSITORY / word.replace(".", "/")).with_suffix(".py").exists()}
    assert not unknown


@pytest.mark.parametrize("page", PAGES, ids=short)
def test_settings_examples_are_valid(page: Path) -> None:
    for kind, block in FENCE.findall(page.read_text(encoding="utf-8")):
        if kind in ("yaml", "yml"):
            data = yaml.safe_load(block)
            if isinstance(data, dict) and data and set(data) <= set(Settings.model_fields):
                parse_settings(block, short(page))


GLOSSARY = REPOSITORY / "docs" / "glossary.md"


WORDS = """
    flow request client evidence identity band group site trust category list entry match rule policy tier override
    verdict action bypass circumvention record spool retention hold revision snapshot stage schedule theme incident
"""
"""Design §4."""


def test_the_glossary_holds_every_word() -> None:
    """One word per idea, and each word people meet in a policy, a page or a row is explained once."""
    explained = re.findall(r"^\| \*\*(.+?)\*\* \|", GLOSSARY.read_text(encoding="utf-8"), re.MULTILINE)
    assert not {*WORDS.split(), *map(str, Reason), *map(str, EndingKind)} - set(explained)


@pytest.mark.parametrize("kind", [Action, Tier, Stage, Band], ids=lambda kind: kind.__name__)
def test_the_glossary_names_every_value(kind: type[enum.Enum]) -> None:
    text = GLOSSARY.read_text(encoding="utf-8").lower()
    assert not [str(member) for member in kind if not re.search(rf"\b{member}\b", text)]


def test_the_readme_says_how_many_categories_there_are() -> None:
    """The number is the taxonomy's."""
    said = re.findall(r"(\d+) categories", (REPOSITORY / "README.md").read_text(encoding="utf-8"))
    assert said == [str(len(load_taxonomy()))]
