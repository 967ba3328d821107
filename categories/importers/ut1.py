"""UT1 and squidGuard trees: a folder per category with `domains`, `urls`, `expressions` and `usage`.

In comes a source of format `ut1`; out come its files with our category names. Links (`porn` to `adult`) are other
names of one folder and are not compiled twice. `expressions` are regular expressions over whole URLs: they are told,
not taken. Large categories may be split (`domains.0`, `domains.1`); each part is a list of its own, so that a line
number names one line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from categories.model import Problem
from categories.parse import problem
from categories.sources import ListFile, ListSource, Names, settled_category

_EXPRESSIONS = "regular expressions over URLs are not taken; its domains and urls are"


def tree_files(source: ListSource, names: Names) -> Iterator[ListFile | Problem]:
    """The files of a tree, category by category. Takes the tree, the folder around it, or one category folder."""
    if not source.path.is_dir():
        yield problem(source.name, 0, str(source.path), "is not a folder; a UT1 tree has a folder per category")
        return
    folders = _category_folders(source.path)
    if not folders:
        yield problem(source.name, 0, str(source.path), "holds no category folder with a `domains` or `urls` file")
    for folder in folders:
        if folder.name not in source.exclude:
            yield from _folder_files(source, folder, names)
    known = {folder.name for folder in folders} | {link.name for link in source.path.glob("*") if link.is_symlink()}
    for name in source.exclude:
        if name not in known:
            yield problem(source.name, 0, name, "is excluded, but the tree has no such category")


def aliases(path: Path) -> dict[str, str]:
    """The tree's other names for its own folders: `porn` to `adult`."""
    return {link.name: link.resolve().name for link in sorted(path.iterdir()) if link.is_symlink() and link.is_dir()}


def white(folder: Path) -> bool:
    """True when the folder's `usage` says its list is meant for allowing only."""
    try:
        words = (folder / "usage").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False
    return "white" in words and "black" not in words


def _category_folders(path: Path) -> list[Path]:
    if _is_category(path):
        return [path]
    here = [folder for folder in sorted(path.iterdir()) if folder.is_dir() and not _is_alias(folder)]
    found = [folder for folder in here if _is_category(folder)]
    inner = path / "blacklists"
    return found or (_category_folders(inner) if inner.is_dir() else [])


PRIVATE = {"bank": "banking"}
"""Folders taken at their word although their category may pass unread: banks that a small list of our own lacks would
otherwise be decrypted, and staff's banking is nobody's business."""


def _is_alias(folder: Path) -> bool:
    """A link to a neighbour is a second name; a link to elsewhere is how the folder got here."""
    return folder.is_symlink() and folder.resolve().parent == folder.parent.resolve()


def _is_category(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("domains", "urls", "domains.0"))


def _folder_files(source: ListSource, folder: Path, names: Names) -> Iterator[ListFile | Problem]:
    category = source.category or _category_of(source, folder, names)
    whole = ListFile(f"{source.name}/{folder.name}", category, folder, "domains", source.url_match, source.top_levels)
    if (folder / "domains").is_file():
        yield replace(whole, path=folder / "domains")
    for part in sorted(folder.glob("domains.[0-9]*")):
        yield replace(whole, name=f"{whole.name}/{part.name}", path=part)
    if (folder / "urls").is_file():
        yield replace(whole, path=folder / "urls", format="urls")
    for file in sorted([*folder.glob("expressions"), *folder.glob("*expression")]):
        if file.is_file() and file.stat().st_size:
            yield problem(whole.name, 1, file.name, _EXPRESSIONS)


def _category_of(source: ListSource, folder: Path, names: Names) -> str:
    """Our name of a folder, asked by its own name and then by the aliases its links and `usage` give it."""
    if folder.name not in source.categories and (private := PRIVATE.get(folder.name)):
        return private
    other = [alias for alias, name in aliases(folder.parent).items() if name == folder.name]
    for name in (folder.name, *other):
        settled = settled_category(source, name, names)
        if settled != name or names.resolve(name) == name:
            return settled
    return folder.name
