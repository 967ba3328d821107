"""The looks every page shares: readable in every mood, by day and by night."""

from __future__ import annotations

import re

import pytest

from addons.pages import STYLE


class TestColours:
    """WCAG 2.2 success criterion 1.4.3: text 4.5 to 1, in every mood, light and dark."""

    PAIRS = (
        *(("ink", "sheet"), ("ink", "tint"), ("soft", "sheet"), ("soft", "ground"), ("accent", "sheet")),
        *(("on-accent", "accent"), ("ink", "ground")),
    )

    @pytest.mark.parametrize("pair", PAIRS, ids=" on ".join)
    @pytest.mark.parametrize("mood", ["", "young", "care", "warn", "alarm"])
    @pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
    def test_text_stands_out(self, dark: bool, mood: str, pair: tuple[str, str]) -> None:
        colours = palette(mood, dark=dark)
        assert contrast(colours[pair[0]], colours[pair[1]]) >= 4.5


def palette(mood: str, *, dark: bool) -> dict[str, str]:
    light_part, dark_part = STYLE.split("@media (prefers-color-scheme: dark)")
    found: dict[str, str] = {}
    for part in (light_part, dark_part.split("*, *::before")[0] if dark else ""):
        for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", part.strip().removeprefix("{")):
            names = [name.strip() for name in selectors.split(",")]
            if ":root" in names or (mood and f".{mood}" in names):
                found |= dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6})", body))
    return found


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)
