"""What does the OpenAPI document have to say that FastAPI does not find out?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from fastapi import FastAPI

Document = dict[str, Any]
OPTIONAL_TOKEN: Document = {"security": [{}]}
"""Extra of a route that knows what to do without a token."""
_PROBLEM = "application/problem+json"


def correct_description(app: FastAPI) -> None:
    """Have an application describe itself as it is."""
    generate = app.openapi

    def openapi() -> Document:
        is_new = app.openapi_schema is None
        document = generate()
        if is_new:
            for operation in _operations(document):
                _correct(operation)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way of extending the document


def merged(documents: Iterable[Document]) -> Document:
    """Return one document of several that have the same head, and name the same things alike."""
    whole, *others = documents
    for other in others:
        paths: dict[str, Document] = whole["paths"]
        for path, operations in other["paths"].items():
            paths.setdefault(path, {}).update(operations)
        for kind, components in other.get("components", {}).items():
            whole.setdefault("components", {}).setdefault(kind, {}).update(components)
    return whole


def _operations(document: Document) -> Iterator[Document]:
    for operations in document["paths"].values():
        yield from operations.values()


def _correct(operation: Document) -> None:
    for parameter in operation.get("parameters", ()):
        _leave_out_null(parameter["schema"])
    for response in operation["responses"].values():
        content = response.get("content", {})
        if _PROBLEM in content:
            response["content"] = {_PROBLEM: content[_PROBLEM]}


def _leave_out_null(schema: Document) -> None:
    """Take away what Python has for an absent parameter: it is not among the values, which are text."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) == 1:
        del schema["anyOf"]
        schema.update(kinds[0])
