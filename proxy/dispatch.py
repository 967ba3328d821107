"""Hooks to handlers by a table that is worked out once.

mitmproxy walks every addon for every hook, twice, with a context manager each: about half of all CPU a request costs.
Same order, same fate of an exception (logged, the next addon goes on; the gatekeeper is there for that), same support
for `async` handlers.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

from mitmproxy import exceptions, hooks
from mitmproxy.addonmanager import AddonManager
from mitmproxy.flow import Flow

logger = logging.getLogger(__name__)

type Handler = Callable[..., Any]


class DispatchManager(AddonManager):
    """The host's addon manager with a table."""

    def __init__(self, master: Any) -> None:
        super().__init__(master)  # type: ignore[no-untyped-call]
        self._table: dict[str, tuple[Handler, ...]] = {}

    def add(self, *addons: Any) -> None:
        """Add addons, in order."""
        super().add(*addons)  # type: ignore[no-untyped-call]
        self.forget()

    def remove(self, addon: Any) -> None:
        """Take an addon out."""
        super().remove(addon)  # type: ignore[no-untyped-call]
        self.forget()

    def forget(self) -> None:
        """Work the table out again."""
        self._table.clear()

    def _handlers(self, event: hooks.Hook) -> tuple[Handler, ...]:
        found = self._table.get(event.name)
        if found is None:
            found = tuple(handler for addon in self.chain for _, handler in self._iter_hooks(addon, event))
            self._table[event.name] = found
        return found

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        """As the host's; `update` is told only when somebody listens."""
        await self.trigger_event(event)
        message = event.args()[0]
        if isinstance(message, Flow):
            update = hooks.UpdateHook([message])
            if self._handlers(update):
                await self.trigger_event(update)

    async def trigger_event(self, event: hooks.Hook) -> None:
        """Call every handler in order; an exception is logged and ends only that handler."""
        handlers = self._handlers(event)
        if not handlers:
            return
        arguments = event.args()
        for handler in handlers:
            try:
                result = handler(*arguments)
                if result is not None and inspect.isawaitable(result):
                    await result
            except exceptions.AddonHalt:
                return
            except exceptions.OptionsError:
                raise
            except Exception:
                logger.exception("addon error in %s", event.name)
