"""What programs can read here: OpenAPI 3.1 of every JSON twin, made from the pages themselves."""

from __future__ import annotations

import re
from typing import Any

from console.page import Answer, Ask, Page, Shown
from console.roles import MAY, Role


def show(ask: Ask) -> Answer:
    """The document; as a page, the list of what there is."""
    from console.pages import pages

    found = [page for page in pages() if page.twins and page.name in MAY]
    return Shown(data=document(found), view={"found": found, "roles": MAY, "reader": Role.READER})


def document(found: list[Page]) -> dict[str, Any]:
    """The OpenAPI document of these pages."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Schoolgate console", "version": "1", "description": "Every page as JSON. Read only."},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
        "paths": {_address(page) + ".json": {"get": _operation(page)} for page in found},
    }


def _address(page: Page) -> str:
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", page.path)


def _operation(page: Page) -> dict[str, Any]:
    parts = re.findall(r"\{(\w+)(?::(\w+))?\}", page.path)
    kinds = {"int": "integer"}
    return {
        "operationId": page.name,
        "summary": page.title,
        "description": f"For: {', '.join(sorted(MAY[page.name]))}.",
        "parameters": [
            *(
                {"name": name, "in": "path", "required": True, "schema": {"type": kinds.get(kind, "string")}}
                for name, kind in parts
            ),
            *(
                {"name": one.name, "in": "query", "description": one.words, "schema": {"type": "string"}}
                for one in page.params
            ),
        ],
        "responses": {
            "200": {"description": page.title, "content": {"application/json": {"schema": {"type": "object"}}}},
            "401": {"description": "no token, or one that does not work"},
            "403": {"description": "not for programs, or a person's reason is needed"},
        },
    }


PAGES = (Page(name="openapi", path="/openapi", title="For programs", show=show, template="openapi.html"),)
