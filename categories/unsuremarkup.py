"""The text of markup that may mean two things: nothing in it hides words.

In comes source in which `<style>` or a comment may be one or may be text, depending on what stands around it: drawings
and formulas inside a page, `<noscript>`, XML. Out comes its text, a piece at a time: of scripts and styles, too, and of
tags whatever does not look like one. Better to read script text as words than to skip words. Pure; every character is
looked at a bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_BLANKS = r"\t\n\f\r\x20"
_KEPT = 1024
"""Characters of something unfinished that are kept to be read again with more of it."""
_TOKEN = re.compile(
    rf"""<(?:!--(?:-?>|[^<]*?--!?>)
      | (?P<name>/?[a-zA-Z][^<>{_BLANKS}/]*+)[^<>]*+>
      | [!?/](?!\[CDATA\[)[^<>]*+>
      | (?P<stray>!\[CDATA\[|))""",
    re.VERBOSE,
)
_ITS_OWN = frozenset(
    (
        *("svg", "g", "path", "defs", "style", "script", "rect", "circle", "line", "polygon", "polyline", "ellipse"),
        *("use", "symbol", "lineargradient", "radialgradient", "stop", "clippath", "mask", "filter", "text", "tspan"),
        *("textpath", "title", "desc", "image", "pattern", "marker", "animate", "animatetransform", "animatemotion"),
        *("set", "metadata", "a", "switch", "view"),
    )
)
"""Elements of a drawing that do not lead out of it."""
_TEXTS = ("style", "script", "textarea", "xmp", "iframe", "noembed", "noframes", "noscript", "plaintext")


class Unsure:
    """Reads one such stretch, to its end."""

    def __init__(self, name: str, border: Callable[[str], str]) -> None:
        """`name` is the element whose end ends it, empty where nothing does; `border` what stands for a tag."""
        self._name = name
        self._border = border
        self._kept = ""
        self._deep = 1
        self._named = 0
        self._mixed = name == "math"
        self._texts = False

    def read(self, source: str, last: bool) -> tuple[str, str | None]:
        """The text of one more piece; and the source behind the stretch, None while it goes on."""
        source = self._kept + source
        self._kept = ""
        if not last:
            cut = source.rfind("<")
            whole = source.find(">", cut) if source[cut : cut + 4] != "<!--" else source.find("-->", cut)
            if cut >= 0 and whole < 0 and len(source) - cut <= _KEPT:
                source, self._kept = source[:cut], source[cut:]
        parts, at = [], 0
        for found in _TOKEN.finditer(source):
            parts.append(source[at : found.start()])
            at = found.end()
            name = (found["name"] or "").lower()
            parts.append(self._border(name.removeprefix("/")) if name else self._border("b"))
            if name and self._ends(name, closed=found.group().endswith("/>")):
                rest = source[at:] + self._kept
                self._kept = ""
                return "".join(parts), rest
        parts.append(source[at:])
        return "".join(parts), None

    def _ends(self, name: str, *, closed: bool) -> bool:
        if not self._name:
            return False
        if self._name not in ("svg", "math"):
            return name == f"/{self._name}"
        plain = name.removeprefix("/")
        if plain in _TEXTS:
            self._texts = True
            self._mixed = self._mixed or self._named > 0
        if plain in ("title", "desc") and not closed:
            self._named += -1 if name[0] == "/" else 1
        if plain not in _ITS_OWN and not plain.startswith("fe") and ":" not in plain:
            self._mixed = True
        if plain == self._name and not closed:
            self._deep += -1 if name[0] == "/" else 1
        return self._deep <= 0 and not (self._mixed and self._texts)
