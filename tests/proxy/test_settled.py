"""Options that remember their values: never an old one, whoever changes them and however."""

from __future__ import annotations

import pytest
from mitmproxy import exceptions

from proxy.settled import SettledOptions


def test_a_changed_option_is_seen_at_once() -> None:
    """By whoever asks, and by whoever is told of the change."""
    options = SettledOptions()
    assert options.listen_host == ""
    told: list[str] = []
    hear = lambda updated: told.append(options.listen_host)  # noqa: E731 - the signal holds it weakly
    options.changed.connect(hear)
    options.update(listen_host="192.0.2.1")
    assert options.listen_host == "192.0.2.1"
    assert told == ["192.0.2.1"]
    options.reset()
    assert options.listen_host == ""


def test_a_change_that_is_taken_back_leaves_the_old_value() -> None:
    options = SettledOptions()

    def refuse(updated: set[str]) -> None:
        assert options.listen_host == "192.0.2.1" or "listen_host" in updated
        raise exceptions.OptionsError("refused on purpose")

    options.changed.connect(refuse)
    with pytest.raises(exceptions.OptionsError):
        options.update(listen_host="192.0.2.1")
    assert options.listen_host == ""


def test_what_can_be_changed_from_outside_is_copied_as_before() -> None:
    """A list that is handed out is not the option itself."""
    options = SettledOptions()
    options.mode.append("tampered")
    assert "tampered" not in options.mode
