"""OpenAI's request schemas, read twice: as they are written, and closed, so that a field not named there is refused."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

SURFACES = {
    "/chat/completions": "CreateChatCompletionRequest",
    "/responses": "CreateResponse",
    "/embeddings": "CreateEmbeddingRequest",
}
"""How the path of a URL ends, and the schema of what is posted there."""

# A message with a list of parts fits two of the kinds that `oneOf` names there: as written, no image could be sent.
_OVERLAPPING = ("InputItem",)
_ANOTHER_KIND = (ValidationErrorKind.Enum, ValidationErrorKind.Constant, ValidationErrorKind.Type)


class RequestSchema:
    """Finds what is wrong with a body. `document` is OpenAPI's, with JSON Schemas under components/schemas."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        written: dict[str, Any] = {**document["components"]["schemas"]}
        for name in _OVERLAPPING:
            written[name] = {"anyOf": written[name]["oneOf"]}
        self._written = _validators(written)
        self._closed = _validators(_closed(written))

    @classmethod
    def read(cls, path: Path) -> "RequestSchema":
        """The schemas of a file."""
        return cls(json.loads(path.read_bytes()))

    def problems(self, url: str, body: bytes) -> list[str]:
        """What OpenAI's schema has against a body posted to `url`, unknown fields included: place and reason."""
        surface = surface_of(url)
        if surface is None:
            return []
        try:
            value = json.loads(body)
        except ValueError as error:
            return [f"it is not JSON: {error}"]
        return self.invalid(surface, value) or self.unknown(surface, value)

    def invalid(self, surface: str, value: Any) -> list[str]:
        """What the schema as it is written has against a decoded body; it allows unknown fields."""
        return _said(self._written[surface].iter_errors(value))

    def unknown(self, surface: str, value: Any) -> list[str]:
        """What the closed schema has against a decoded body."""
        return _said(self._closed[surface].iter_errors(value))


def surface_of(url: str) -> str | None:
    """Which of the surfaces a URL leads to; None for any other place."""
    path = urlsplit(url).path
    return next((ending for ending in SURFACES if path.endswith(ending)), None)


def _validators(schemas: Mapping[str, Any]) -> dict[str, Draft202012Validator]:
    components = {"components": {"schemas": schemas}}
    return {
        ending: Draft202012Validator({**components, "$ref": f"#/components/schemas/{name}"}, validate_formats=True)
        for ending, name in SURFACES.items()
    }


def _closed(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas, each object of which takes the properties that it names and no others."""
    parts = {name for schema in schemas.values() for name in _parts(schema)}
    return {name: _close(schema, part=name in parts) for name, schema in schemas.items()}


def _parts(schema: Any) -> Iterable[str]:
    """Names of the schemas that are only a part of another (`allOf`): closed, they would refuse its other parts."""
    if isinstance(schema, dict):
        yield from (part["$ref"].rpartition("/")[2] for part in schema.get("allOf", ()) if "$ref" in part)
        schema = list(schema.values())
    if isinstance(schema, list):
        for inner in schema:
            yield from _parts(inner)


def _close(schema: Any, *, part: bool = False) -> Any:
    if isinstance(schema, list):
        return [_close(inner, part=part) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _close(inner, part=key == "allOf") for key, inner in schema.items() if key != "properties"}
    if "properties" in schema:
        closed["properties"] = {name: _close(inner) for name, inner in schema["properties"].items()}
    if "allOf" in schema and not part:
        closed["unevaluatedProperties"] = False
    elif "properties" in schema and not part:
        closed.setdefault("additionalProperties", False)
    return closed


def _said(errors: Iterable[ValidationError]) -> list[str]:
    """The errors in words, each from as deep as it comes."""
    found = list(errors)
    # Where something else is wrong, the parts of an `allOf` do not count, and every field seems to be unknown.
    telling = [error for error in found if not isinstance(error.kind, ValidationErrorKind.UnevaluatedProperties)]
    return [f"{_place(error)}: {error.message[-200:]}" for error in map(_deepest, telling or found)]


def _deepest(error: ValidationError) -> ValidationError:
    """What is wrong with a value in terms of the kind that it means to be, where a schema has several."""
    kind = error.kind
    if not isinstance(kind, (ValidationErrorKind.AnyOf, ValidationErrorKind.OneOfNotValid)):
        return error
    depth = len(error.instance_path) + 1
    meant = [
        branch
        for branch in kind.context
        if branch and not any(isinstance(e.kind, _ANOTHER_KIND) and len(e.instance_path) <= depth for e in branch)
    ]
    return _deepest(min(meant, key=len)[0]) if meant else error


def _place(error: ValidationError) -> str:
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.instance_path]
    return "".join(steps).removeprefix(".") or "the body"
