"""While a batch is made, nobody searches for circular garbage; afterwards somebody does again."""

from __future__ import annotations

import gc

import pytest

from logstore.allocation import no_collections


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
