"""The console's pages, a module each: their `PAGES` are found by themselves. docs/console.md says how to add one."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from console.page import Page


def pages() -> tuple[Page, ...]:
    """Every page there is, those of the navigation in its order."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [page for name in names for page in import_module(f"{__name__}.{name}").PAGES]
    return tuple(sorted(found, key=lambda page: (page.order or 1000, page.path)))
