"""What the settings say of statutory lists: typed, immutable, every mistake told.

The rule here: a setting can add a list or make the gateway stricter. What has once been in force is remembered by
`proxy.statutory` and outlives whatever is written here.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, field_validator

from categories.statutory_bundle import public_key_text, read_public_key

_UNITS = {"s": 1, "m": 60, "h": 3600}


def _duration(value: Any) -> Any:
    """`90s`, `5m`, `12h`."""
    if isinstance(value, str) and (found := re.fullmatch(r"\s*(\d{1,7})\s*([smh])\s*", value)):
        return timedelta(seconds=int(found[1]) * _UNITS[found[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError("write a number and s, m or h: 90s, 5m, 12h")


def _written(value: timedelta) -> str:
    return f"{int(value.total_seconds())}s"


Duration = Annotated[timedelta, BeforeValidator(_duration), PlainSerializer(_written, when_used="json")]
"""A time as people write it, also when settings are handed to another process."""


class StatutorySource(BaseModel):
    """One list of illegal content, as its issuer hands it over: a signed bundle (docs/statutory.md)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    """Name shown as evidence, with `statutory/` before it: `iwf`."""
    path: Path
    """Where the operator, or a job of theirs, puts each new bundle."""
    public_key: str
    """The issuer's key, `ed25519:…`. Once a bundle signed by it is in force, only the issuer can change it."""
    required: bool = True
    """Whether the gateway is compliant only while this list is valid."""

    @field_validator("public_key")
    @classmethod
    def _key(cls, value: str) -> str:
        return public_key_text(read_public_key(value))


class StatutorySettings(BaseModel):
    """The lists of illegal content nobody gets past."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[StatutorySource, ...] = ()
    """The lists. What has once been in force stays in force, whatever is written here later."""
    refresh: Duration = Field(default=timedelta(minutes=5), gt=timedelta(0), le=timedelta(hours=12))
    """How often every bundle is read and verified anew: `5m`, `12h` at most."""
    stale: Duration = Field(default=timedelta(hours=24), gt=timedelta(0), le=timedelta(hours=24))
    """Age from which a list is too old to count: `24h` at most."""
    when_missing: Literal["continue", "stop"] = "continue"
    """`stop` closes everything while a required list is missing, too old or expired; `continue` goes on and says so."""

    @field_validator("sources")
    @classmethod
    def _one_name_each(cls, value: tuple[StatutorySource, ...]) -> tuple[StatutorySource, ...]:
        names = [source.name for source in value]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources are called {', '.join(twice)}; give each a name of its own")
        return value

    def below(self, folder: Path) -> StatutorySettings:
        """The same with every path made absolute against `folder`."""
        sources = (
            item.model_copy(update={"path": (folder / item.path.expanduser()).resolve()}) for item in self.sources
        )
        return self.model_copy(update={"sources": tuple(sources)})
