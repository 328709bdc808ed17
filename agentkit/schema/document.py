"""JSON Schemas that were written as such: checked once when they are taken, then used to check values.

jsonschema does the work. Nothing is fetched: a reference has to resolve within the schema or to a draft's metaschema.
"""

import copy
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator as Checker
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import SchemaResource, specification_with

from agentkit import _json
from agentkit.errors import OutputTypeError
from agentkit.schema.problem import InvalidValue, Problem, dotted
from agentkit.schema.violations import problems_of


@dataclass(frozen=True, slots=True)
class DocumentValidator:
    """The `Validator` of a JSON Schema; `validate` returns the value as it came."""

    schema: dict[str, Any]
    checker: Checker

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> Self:
        """See `validator.for_json_schema`."""
        try:
            own: dict[str, Any] = copy.deepcopy(dict(schema))
            kind = _draft(own)
            kind.check_schema(own)
            _check_references(kind, own)
        except SchemaError as error:
            where = dotted(tuple(error.absolute_path))
            raise OutputTypeError(f"the JSON Schema is wrong at {where or 'its root'}: {error.message}") from error
        except RecursionError as error:
            raise OutputTypeError("the JSON Schema is nested too deeply to be checked: make it flatter") from error
        return cls(own, kind(own, registry=_metaschemas()))

    def validate(self, value: Any) -> Any:
        """See `Validator.validate`."""
        try:
            problems = problems_of(self.checker.iter_errors(value))
        except RecursionError:
            problems = [Problem((), "input is nested too deeply to be checked")]
        if problems:
            raise InvalidValue(problems)
        return value

    def validate_json(self, text: str | bytes) -> Any:
        """See `Validator.validate_json`."""
        try:
            value = _json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidValue([Problem((), f"invalid JSON: {error}")]) from None
        return self.validate(value)


def _draft(schema: Mapping[str, Any]) -> type[Checker]:
    name = schema.get("$schema")
    if name is None:
        return Draft202012Validator
    draft: type[Checker] = (
        validator_for(schema, Draft202012Validator) if isinstance(name, str) else Draft202012Validator
    )
    if not isinstance(name, str) or name.rstrip("#") != draft.META_SCHEMA["$schema"].rstrip("#"):
        raise OutputTypeError(
            f"the JSON Schema's $schema names no known draft: {name!r}; leave it out for draft 2020-12"
        )
    return draft


def _check_references(draft: type[Checker], schema: Mapping[str, Any]) -> None:
    """Looks up every reference now: at validation it would be too late to tell the one who wrote it."""
    root: SchemaResource = specification_with(draft.META_SCHEMA["$schema"]).create_resource(schema)
    pending = [(root, _metaschemas().resolver_with_root(root))]
    reference: Any = None
    try:
        while pending:
            resource, resolver = pending.pop()
            if isinstance(resource.contents, Mapping):
                for reference in map(resource.contents.get, ("$ref", "$dynamicRef")):
                    if isinstance(reference, str):
                        resolver.lookup(reference)
            pending += [(part, resolver.in_subresource(part)) for part in resource.subresources()]
    except Unresolvable as error:
        raise OutputTypeError(
            f"the JSON Schema refers to {reference!r}, which is not in it: put it under $defs, nothing is fetched"
        ) from error


def _metaschemas() -> Registry[Any]:
    """The drafts' metaschemas, nothing can be fetched through it. The package has no types: no plain import."""
    registry: Registry[Any] = importlib.import_module("jsonschema_specifications").REGISTRY
    return registry
