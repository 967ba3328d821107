"""The command line, one module a command.

Each module has `add(commands)`, which registers its sub-parser with `set_defaults(handle=handle)`, and
`handle(args, settings) -> int`: 0 yes, 1 no, 2 usage. Results go to stdout, talk to stderr. Modules import what they
need inside `handle`, so every command starts fast.
"""

from __future__ import annotations

import pkgutil

COMMANDS = tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))
"""Every command there is, by name."""
