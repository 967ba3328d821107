"""What the tests of this room share: a taxonomy of a few names, and a folder of lists made from text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from categories.sources import ListSource


class OtherNames:
    """A taxonomy that knows the given other names and nothing else."""

    def __init__(self, aliases: Mapping[str, str] | None = None) -> None:
        self._aliases = dict(aliases or {})

    def resolve(self, alias: str) -> str | None:
        """Our name, when the table has one."""
        return self._aliases.get(alias)

    def by_hand(self, category: str) -> bool:
        """As the taxonomy has it of help."""
        return category == "help"


def domain_list(folder: Path, name: str, *lines: str) -> ListSource:
    """A list of domains, written to a file."""
    file = folder / f"{name}.txt"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return ListSource(name, file)


def ut1_tree(folder: Path) -> Path:
    """A small tree as UT1 makes them: folders, links, a split list, expressions, usage."""
    tree = folder / "blacklists"
    for category, files in {
        "adult": {"domains": "adult.example\n", "urls": "portal.example/adult\n", "expressions": "(sex|xxx)\n"},
        "games": {"domains": "games.example\n", "urls": ""},
        "large": {"domains.0": "one.example\n", "domains.1": "# none\ntwo.example\n"},
        "child": {"domains": "school.example\n"},
        "empty": {},
    }.items():
        (tree / category).mkdir(parents=True)
        usage = "white\nchild\n" if category == "child" else f"black\n{category}\n"
        (tree / category / "usage").write_text(usage)
        for name, text in files.items():
            (tree / category / name).write_text(text)
    (tree / "porn").symlink_to("adult")
    (tree / "global_usage").write_text("NAME: adult\n")
    return tree
