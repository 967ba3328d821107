"""YAML in, plain nodes out: what people wrote, with its line, and nothing that could be a bomb."""

from __future__ import annotations

import pytest

from policy.problems import Problems
from policy.reading import MAX_CHARACTERS, Fields, Items, Text, read_nodes
from policy.rules import load_policy
from tests.policy.school import TAXONOMY, refusal


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("- a\n- b\n", "must be a mapping"),
        ("just words", "must be a mapping"),
        ("policies: []\n", "the language version is missing"),
        ("schoolgate: 2\n", "language version '2' is unknown"),
        ("schoolgate: 1\n---\nschoolgate: 1\n", "second document"),
        ("schoolgate: [1\n", "is not YAML"),
        ("schoolgate: 1\ntrust: \x07\n", "is not YAML"),
        ("a: &x [1, 1]\nb: [*x, *x, *x]\n", "aliases (`*x`)"),
        ("a: " + "[" * 5000, "nested more than"),
        ("#" * (MAX_CHARACTERS + 1), "characters long"),
    ],
    ids=lambda value: value[:20],
)
def test_a_file_that_is_no_policy_is_refused(text: str, said: str) -> None:
    """Bombs, rubbish and other people's YAML get a clear answer, quickly."""
    assert any(said in p.what for p in refusal(text))


@pytest.mark.parametrize("text", ["policies:", "policies: ~", "policies: []", "groups:", "sites: {}", "trust:"])
def test_what_is_left_empty_is_left_out(text: str) -> None:
    """A key with nothing behind it means nothing."""
    assert load_policy(f"schoolgate: 1\n{text}\n", file="p.yaml", categories=TAXONOMY).rules == ()


def test_values_are_text_with_lines() -> None:
    """No value is guessed at: times, dates, `on` and numbers stay what people wrote."""
    root = read_nodes("a: 12:10\nb: [on, 2026-09-02]\nc: {d: '~', e: ~}\n", Problems("p"))
    assert root is not None
    assert root.nodes["a"] == Text(1, "12:10")
    assert root.nodes["b"] == Items(2, [Text(2, "on"), Text(2, "2026-09-02")])
    inner = root.nodes["c"]
    assert isinstance(inner, Fields)
    quoted, bare = inner.nodes["d"], inner.nodes["e"]
    assert isinstance(quoted, Text)
    assert isinstance(bare, Text)
    assert (quoted.empty, bare.empty) == (False, True)


def test_a_key_written_twice_is_told_and_the_first_one_kept() -> None:
    """YAML would silently take the last."""
    problems = Problems("p")
    root = read_nodes("a: 1\nb: 2\na: 3\n", problems)
    assert root is not None
    assert root.nodes["a"] == Text(1, "1")
    assert [(p.line, p.what) for p in problems.errors] == [(3, "'a' is written twice")]
