"""A name is looked for as the record writes it, however somebody types it."""

from __future__ import annotations

import pytest

from registry.spelling import as_recorded


@pytest.mark.parametrize(
    ("field", "typed", "recorded"),
    [
        ("user", "Pupil-0417 ", "pupil-0417"),
        ("user", "ZOE\u0308", "zoë"),
        ("client_address", "2001:DB8:0::1", "2001:db8::1"),
        ("client_address", "::ffff:10.1.2.3", "10.1.2.3"),
        ("host", "München.example.", "xn--mnchen-3ya.example"),
        ("domain", "EXAMPLE.org", "example.org"),
        ("title", "As It Is", "As It Is"),
        ("blocked", True, True),
        ("user", None, None),
    ],
)
def test_spellings(field: str, typed: object, recorded: object) -> None:
    assert as_recorded(field, typed) == recorded


def test_what_is_no_host_is_said_with_what_would_be() -> None:
    """Instead of a search that finds nothing."""
    with pytest.raises(ValueError, match=r"is no host: .*www\.example\.org"):
        as_recorded("host", "two words")
