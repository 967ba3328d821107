"""A QR code as a drawing: a text in, SVG out; dark on light whatever the page's colours, with its quiet zone."""

from __future__ import annotations

import segno
from markupsafe import Markup

QUIET = 4
"""Modules of light around it (ISO/IEC 18004)."""


def drawn(text: str, words: str) -> Markup:
    """The code of `text`; `words` say what it is to who cannot see it."""
    matrix = segno.make(text, error="m", micro=False).matrix
    dark = [
        f"M{column + QUIET} {line + QUIET}h1v1h-1z"
        for line, cells in enumerate(matrix)
        for column, cell in enumerate(cells)
        if cell
    ]
    size = len(matrix) + 2 * QUIET
    return Markup(
        '<svg class="qr" viewBox="0 0 {0} {0}" shape-rendering="crispEdges" role="img" aria-label="{1}">'
        '<rect class="qr-light" width="{0}" height="{0}"/><path class="qr-dark" d="{2}"/></svg>'
    ).format(size, words, "".join(dark))
