"""The console as an ASGI application: a house in, pages out.

Every request goes the same way: guards, who is it (cookie or token), may they (`console.roles`), is the form ours
(token and origin), the page, an answer. The rules: deny by default; a page runs off the event loop; what a page does
not expect is told to nobody but the log.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

import sqlalchemy.exc
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from console import drawing, secrets, sessions, tokens
from console.events import stream
from console.forms import TooLong, is_utf8, read_form
from console.guards import Guards, Rate
from console.page import Answer, Ask, Go, House, Lines, Live, Page, Refused, Shown
from console.pages import pages
from console.roles import PUBLIC, Viewer
from logstore.errorwords import without_rows
from logstore.place import StoreError
from logstore.query import SearchTooWide
from registry.change import RegistryError

logger = logging.getLogger(__name__)

COOKIE = "__Host-schoolgate"
"""Name of the session's cookie: of this host alone, over TLS or on this machine only."""
SEAT = "__Host-schoolgate-seat"
"""Name of the cookie of a browser nobody has signed in with: its forms are told apart by it."""
FRESH = "schoolgate.seat"
"""Where a request keeps the seat cookie it is given."""
KINDS = ("", ".json", ".csv")
"""Endings of a page's address."""
NOT_OURS = "The form is too old, or did not come from this page. Open the page again and send it once more."
"""What is said to a form that is not ours."""

type Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(house: House, *, secure: bool = True, rate: Rate | None = None) -> ASGIApp:
    """The console. `secure`: browsers reach it over TLS, and are told to keep to that."""
    console = Console(house, pages())
    routes = [Route("/", console.home), Route("/static/{file}", console.static)]
    for page in console.pages:
        methods = ["GET"] if page.act is None else ["GET", "POST"]
        # The twins first: an address with a name in it would take them for part of the name.
        if page.twins:
            routes += [Route(page.path + kind, console.endpoint(page, kind), methods=["GET"]) for kind in KINDS[:0:-1]]
        routes.append(Route(page.path, console.endpoint(page, ""), methods=methods))
    app = Starlette(routes=routes, exception_handlers={404: console.missing, 405: console.missing})
    return Guards(app, house.hosts, secure=secure, rate=rate)


class Console:
    """Serves pages to whoever may see them."""

    def __init__(self, house: House, known: tuple[Page, ...]) -> None:
        self.house = house
        self.pages = known

    def endpoint(self, page: Page, kind: str) -> Endpoint:
        """What serves one page in one kind: HTML, `.json` or `.csv`."""

        async def serve(request: Request) -> Response:
            try:
                return await self._serve(request, page, kind)
            except Exception:
                logger.exception("the page %s could not be made", page.path)
                ask = _ask(self.house, request, None)
                words = "It is in the console's log. Try again; if it stays like this, tell whoever runs the gateway."
                return self._refusal(ask, kind, Refused("Something went wrong here", words, 500))

        return serve

    async def _serve(self, request: Request, page: Page, kind: str) -> Response:
        viewer = await run_in_threadpool(self._who, request, kind)
        ask = _ask(self.house, request, viewer)
        if refused := _may_not(viewer, page):
            if viewer is None and kind == "" and request.method == "GET":
                return RedirectResponse(f"/sign-in?next={quote(ask.here, safe='/')}", 303)
            return self._refusal(ask, kind, refused)
        try:
            if request.method == "POST":
                # Before a byte of it is read: what is refused costs nothing.
                _check_sender(request)
                form, files = await read_form(request, page.form_bytes)
                _check_form(request, form)
                ask = replace(ask, form=form, files=files)
            answer = await run_in_threadpool(self._answer, page, ask, request.method)
        except Refused as refusal:
            if refusal.to and not kind:
                return RedirectResponse(refusal.to, 303)
            return self._refusal(ask, kind, refusal)
        except TooLong as long:
            return self._refusal(ask, kind, Refused("Too much at once", str(long), 413))
        return await self._send(request, page, kind, ask, answer)

    def _who(self, request: Request, kind: str) -> Viewer | None:
        """Who asks: a program by its token, on JSON and CSV only, or a person by the session's cookie."""
        now = self.house.clock()
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        with self.house.reading() as connection:
            if scheme.lower() == "bearer":
                return tokens.find(connection, token.strip(), now) if kind else None
            cookie = request.cookies.get(COOKIE, "")
            found = sessions.find(connection, cookie, now) if cookie else None
        if found is None:
            return None
        viewer, stale = found
        if stale:
            with self.house.writing() as connection:
                sessions.touch(connection, viewer.session, now)
        return viewer

    def _answer(self, page: Page, ask: Ask, method: str) -> Answer:
        """What the page answers; what the store cannot do becomes words."""
        try:
            if method == "POST" and page.act is not None:
                try:
                    return page.act(ask)
                except RegistryError as error:
                    problems = tuple(str(problem) for problem in error.problems)
                    again = page.show(replace(ask, problems=problems))
                    return replace(again, status=422) if isinstance(again, Shown) else again
            return page.show(ask)
        except SearchTooWide as error:
            raise Refused("That search takes too long", str(error), 503) from error
        except (StoreError, sqlalchemy.exc.DatabaseError) as error:
            logger.error("the store does not answer: %s", without_rows(error))
            words = "The record cannot be reached. Lessons go on; look at the gateway's health."
            raise Refused("The record does not answer", words, 503) from error

    async def _send(self, request: Request, page: Page, kind: str, ask: Ask, answer: Answer) -> Response:
        match answer:
            case Go():
                return _going(answer)
            case Lines():
                headers = {"content-disposition": f'attachment; filename="{answer.name}"'}
                return StreamingResponse(answer.lines, media_type=answer.media, headers=headers)
            case Live():
                return stream(request, answer, lambda: self._still(request, ask, answer), self.house.clock, ask.me.who)
            case Shown():
                response = await run_in_threadpool(self._shown, page, kind, ask, answer)
                if ask.viewer is None and (seat := request.scope.get(FRESH)):
                    response.set_cookie(SEAT, seat, secure=True, httponly=True, samesite="strict")
                return response

    def _still(self, request: Request, ask: Ask, live: Live) -> bool:
        """Whether whoever follows events still may: signed in, in the same role, for the same reason.

        Nobody clicks while they follow, so it does not count as use of the session.
        """
        now = self.house.clock()
        with self.house.reading() as connection:
            found = sessions.find(connection, request.cookies.get(COOKIE, ""), now)
        return found is not None and found[0] == ask.me and live.still(now)

    def _shown(self, page: Page, kind: str, ask: Ask, shown: Shown) -> Response:
        if kind == ".json":
            return Response(drawing.as_json(shown.data), shown.status, media_type="application/json")
        if kind == ".csv":
            if shown.table is None:
                return self._refusal(ask, kind, Refused("No table", "This page is no table: ask for .json.", 404))
            name = page.name.replace("/", "-")
            headers = {"content-disposition": f'attachment; filename="{name}.csv"'}
            text = drawing.as_csv(shown.table)
            return Response(text, shown.status, media_type="text/csv; charset=utf-8", headers=headers)
        navigation = drawing.navigation_for(self.pages, ask.viewer)
        words = {"page": page, **shown.data, **shown.view}
        return HTMLResponse(drawing.html(page.template, ask, navigation, page.title, words), shown.status)

    def _refusal(self, ask: Ask, kind: str, refused: Refused) -> Response:
        if kind:
            told: Mapping[str, Any] = {"error": refused.heading, "detail": refused.words}
            return Response(drawing.as_json(told), refused.status, media_type="application/json")
        navigation = drawing.navigation_for(self.pages, ask.viewer)
        words = {"words": refused.words, "page": None}
        return HTMLResponse(drawing.html("refused.html", ask, navigation, refused.heading, words), refused.status)

    async def home(self, request: Request) -> Response:
        """The first page in the navigation of whoever asks."""
        viewer = await run_in_threadpool(self._who, request, "")
        first = next(iter(drawing.navigation_for(self.pages, viewer)), None)
        return RedirectResponse("/sign-in" if first is None else first.path, 303)

    async def static(self, request: Request) -> Response:
        """One of our own files."""
        found = drawing.assets().get(request.path_params["file"])
        if found is None:
            return PlainTextResponse("there is no such file", 404)
        kept = {"cache-control": "public, max-age=31536000, immutable"}
        return Response(found[0], media_type=found[1], headers=kept)

    async def missing(self, request: Request, _: Exception) -> Response:
        """What is not there."""
        viewer = await run_in_threadpool(self._who, request, "")
        ask = _ask(self.house, request, viewer)
        kind = next((kind for kind in KINDS[1:] if request.url.path.endswith(kind)), "")
        return self._refusal(ask, kind, Refused("No such page", "There is no page of that name here.", 404))


def _ask(house: House, request: Request, viewer: Viewer | None) -> Ask:
    query = f"?{request.url.query}" if request.url.query else ""
    cookie = request.cookies.get(COOKIE) if viewer is not None else request.cookies.get(SEAT)
    if not cookie:
        cookie = request.scope[FRESH] = secrets.new()
    return Ask(
        house=house,
        viewer=viewer,
        now=house.clock(),
        address=request.client.host if request.client is not None else "",
        path={name: str(value) for name, value in request.path_params.items()},
        query=dict(request.query_params),
        here=request.url.path + query,
        form_token=secrets.form_token(cookie),
    )


def _may_not(viewer: Viewer | None, page: Page) -> Refused | None:
    """Why this page is not for whoever asks; None when it is."""
    if page.name in PUBLIC:
        return None
    if viewer is None:
        return Refused("Sign in first", "This page is for people who are signed in.", 401)
    if viewer.may(page.name):
        return None
    words = f"You are here as {viewer.grant.words}. This page is not for that role."
    return Refused("Not for your role", words)


def _check_sender(request: Request) -> None:
    """Refuse what another website had this browser send, and what no browser sends."""
    origin = request.headers.get("origin") or request.headers.get("referer", "")
    site = request.headers.get("sec-fetch-site", "same-origin")
    try:
        ours = urlsplit(origin).netloc.lower() == request.headers.get("host", "").lower()
    except ValueError:
        ours = False
    if not ours or site not in {"same-origin", "none"}:
        raise Refused("Nothing was done", NOT_OURS)
    if not is_utf8(request.headers.get("content-type", "")):
        raise Refused("Nothing was done", "A form here is written in UTF-8 and says no other charset.", 415)


def _check_form(request: Request, form: Mapping[str, str]) -> None:
    """Refuse a form that this browser was not given."""
    cookies = (request.cookies.get(COOKIE, ""), request.cookies.get(SEAT, ""))
    if not any(secrets.form_is_ours(cookie, form.get("token", "")) for cookie in cookies):
        raise Refused("Nothing was done", NOT_OURS)


def _going(go: Go) -> Response:
    answer = RedirectResponse(go.to, 303)
    if go.session is not None:
        answer.delete_cookie(SEAT, secure=True, httponly=True, samesite="strict")
        if go.session:
            # Lax: an address somebody sends to a colleague opens; what changes something is a form, and checked.
            answer.set_cookie(COOKIE, go.session, secure=True, httponly=True, samesite="lax")
        else:
            answer.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax")
    return answer
