"""Hooks to handlers by a table that is worked out once.

mitmproxy walks every addon for every hook, twice, with a context manager each: about half of all CPU a request costs.
Same order, same fate of an exception (logged, the next addon goes on; the gatekeeper is there for that), same support
for `async` handlers; a hook all of whose handlers are plain functions is called at once, without a task.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from dataclasses import fields
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

    def call(self, event: hooks.Hook) -> Awaitable[None] | None:
        """Call handlers in order, now; what is still to be waited for when one of them is asynchronous, else None.

        As the host's `handle_lifecycle`; `update` is told only when somebody listens.
        """
        if self._handlers(event) or self._listeners():
            return self.tell(type(event), _argument(event))
        return None

    def tell(self, kind: type[hooks.Hook], about: Any) -> Awaitable[None] | None:
        """As `call`, for a hook of this kind about this: it is made only where somebody waits for it."""
        handlers = self._table.get(kind.name)
        if handlers is None:
            handlers = self._handlers(kind(about))
        left = iter(handlers)
        for handler in left:
            try:
                result = handler(about)
                if result is not None and inspect.isawaitable(result):
                    return self._go_on(kind(about), result, tuple(left))
            except exceptions.AddonHalt:
                break
            except exceptions.OptionsError:
                raise
            except Exception:
                logger.exception("addon error in %s", kind.name)
        return self._update(about) if self._listeners() else None

    async def _go_on(self, event: hooks.Hook, waiting: Awaitable[Any], handlers: tuple[Handler, ...]) -> None:
        """The rest of the handlers, once one has ended that must be waited for."""
        try:
            await waiting
        except exceptions.AddonHalt:
            handlers = ()
        except exceptions.OptionsError:
            raise
        except Exception:
            logger.exception("addon error in %s", event.name)
        await self._each(event, handlers)
        if self._listeners() and (update := self._update(_argument(event))) is not None:
            await update

    def _listeners(self) -> tuple[Handler, ...]:
        """Who is told of whatever may have changed."""
        listeners = self._table.get(hooks.UpdateHook.name)
        return self._handlers(hooks.UpdateHook([])) if listeners is None else listeners

    def _update(self, about: Any) -> Awaitable[None] | None:
        return self.trigger_event(hooks.UpdateHook([about])) if isinstance(about, Flow) else None

    async def handle_lifecycle(self, event: hooks.Hook) -> None:
        """As the host's."""
        if (waiting := self.call(event)) is not None:
            await waiting

    async def trigger_event(self, event: hooks.Hook) -> None:
        """Call every handler in order; an exception is logged and ends only that handler."""
        await self._each(event, self._handlers(event))

    async def _each(self, event: hooks.Hook, handlers: tuple[Handler, ...]) -> None:
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


def _argument(event: hooks.Hook) -> Any:
    """What a hook of the proxy's is about: each has one field."""
    name = _fields.get(type(event))
    if name is None:
        (only,) = fields(event)  # type: ignore[arg-type]
        name = _fields[type(event)] = only.name
    return getattr(event, name)


_fields: dict[type, str] = {}
