"""Saving a search of the log, and forgetting it."""

from __future__ import annotations

from console import saved
from console.page import Answer, Ask, Go, Page, Shown


def show(ask: Ask) -> Answer:
    """The searches of whoever asks."""
    return Shown(data={"views": saved.views(ask)}, view={"problems": ask.problems})


def act(ask: Ask) -> Answer:
    """Save or forget one."""
    if ask.form.get("forget", "").isdecimal():
        saved.remove(ask, int(ask.form["forget"]))
        return Go("/log/views")
    saved.save(ask, ask.form.get("name", ""), ask.form.get("query", ""))
    return Go(f"/log?{ask.form.get('query', '')}")


PAGES = (
    Page(name="log-views", path="/log/views", title="Saved searches", show=show, act=act, template="logviews.html"),
)
