"""While a batch is made, nobody searches for circular garbage; then somebody does, and it is freed in portions."""

from __future__ import annotations

import gc

import pytest

from logstore.allocation import PORTION, Spent, no_collections


def test_collections_pause_and_go_on() -> None:
    """Also when one is within another, and when the batch fails."""
    assert gc.isenabled()
    with no_collections():
        assert not gc.isenabled()
        with no_collections():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    with pytest.raises(ValueError, match="poison"), no_collections():
        raise ValueError("poison")
    assert gc.isenabled()


def test_who_had_switched_them_off_finds_them_off() -> None:
    """The choice of the process stays."""
    gc.disable()
    try:
        with no_collections():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_rows_are_freed_in_portions() -> None:
    """What is left of a batch goes when the next one is over."""
    spent, first, second = Spent(), list(range(2 * PORTION + 1)), list(range(PORTION))
    assert not spent.go_on()
    spent.add(first)
    assert spent.go_on()
    assert len(first) == PORTION + 1
    spent.add(second)
    assert [spent.go_on(), spent.go_on()] == [True, False]
    assert (len(first), len(second)) == (PORTION + 1, 0)
