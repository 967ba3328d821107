"""Everybody gets an answer they can show."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addons.pagekinds import PageKind, page_kind


class TestKinds:
    BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"

    @pytest.mark.parametrize(
        ("what", "method", "path", "headers", "kind"),
        [
            (
                "a page opened in a browser",
                "GET",
                "/",
                {"sec-fetch-dest": "document", "accept": BROWSER},
                PageKind.HTML,
            ),
            ("a download that ends in .png", "GET", "/a.png", {"sec-fetch-dest": "document"}, PageKind.HTML),
            ("a frame in a page", "GET", "/ad", {"sec-fetch-dest": "iframe", "accept": BROWSER}, PageKind.FRAME),
            ("a picture in a page", "GET", "/ad", {"sec-fetch-dest": "image"}, PageKind.IMAGE),
            ("a film in a page", "GET", "/v", {"sec-fetch-dest": "video"}, PageKind.VIDEO),
            ("a script", "GET", "/x", {"sec-fetch-dest": "script"}, PageKind.EMPTY),
            ("a service worker", "GET", "/x", {"sec-fetch-dest": "serviceworker"}, PageKind.EMPTY),
            ("a destination of the future", "GET", "/x", {"sec-fetch-dest": "hologram"}, PageKind.EMPTY),
            ("fetch() asking for HTML", "GET", "/", {"sec-fetch-dest": "empty", "accept": BROWSER}, PageKind.JSON),
            ("an old browser", "GET", "/", {"accept": BROWSER}, PageKind.HTML),
            ("jQuery", "GET", "/", {"accept": "*/*", "x-requested-with": "XMLHttpRequest"}, PageKind.JSON),
            ("an API client", "GET", "/", {"accept": "application/json"}, PageKind.JSON),
            ("an API with its own type", "GET", "/", {"accept": "application/vnd.api+json"}, PageKind.JSON),
            (
                "an API client that posts",
                "POST",
                "/",
                {"accept": "*/*", "content-type": "application/json"},
                PageKind.JSON,
            ),
            ("one that refuses HTML", "GET", "/", {"accept": "text/html;q=0, application/json"}, PageKind.JSON),
            ("an old image tag", "GET", "/x", {"accept": "image/webp,image/png,*/*;q=0.8"}, PageKind.IMAGE),
            ("a picture by its ending", "GET", "/x/A.JPG?size=2", {"accept": "*/*"}, PageKind.IMAGE),
            ("a style sheet by its ending", "GET", "/x.css", {"accept": "*/*"}, PageKind.EMPTY),
            ("a style sheet by its type", "GET", "/x", {"accept": "text/css,*/*;q=0.1"}, PageKind.EMPTY),
            ("a stream of a film", "GET", "/x/1.m4s", {}, PageKind.VIDEO),
            ("curl", "GET", "/", {"accept": "*/*"}, PageKind.HTML),
            ("a tool that says nothing", "GET", "/", {}, PageKind.HTML),
            ("a tunnel", "CONNECT", "", {}, PageKind.EMPTY),
            ("a header of commas", "GET", "/", {"accept": "," * 5000}, PageKind.HTML),
        ],
    )
    def test_everybody_gets_what_they_can_show(self, what, method, path, headers, kind) -> None:
        assert page_kind(method, headers, path) is kind, what

    @given(
        method=st.text(max_size=8), path=st.text(max_size=40), accept=st.text(max_size=80), dest=st.text(max_size=12)
    )
    def test_whatever_a_client_sends_there_is_an_answer(self, method, path, accept, dest) -> None:
        assert page_kind(method, {"accept": accept, "sec-fetch-dest": dest}, path) in PageKind
