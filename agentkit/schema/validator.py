"""Validators: a JSON Schema to show, and a check that gives the Python value or says what is wrong.

Made from a Python type (pydantic does the work) or from a JSON Schema (jsonschema does). Both libraries are loaded by
the first validator that needs them.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

T_co = TypeVar("T_co", covariant=True)


class Validator(Protocol[T_co]):
    """Checks decoded JSON and converts it to the Python value."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema 2020-12 of what is accepted. Do not change it."""
        ...

    def validate(self, value: Any) -> T_co:
        """The Python value of a decoded JSON value, by the rules of JSON: a date is a string, a tuple is an array.

        Raises:
            InvalidValue: it does not fit.
        """
        ...

    def validate_json(self, text: str | bytes) -> T_co:
        """The Python value of a JSON text.

        Raises:
            InvalidValue: it does not fit, or it is not JSON.
        """
        ...


def for_type(tp: Any) -> Validator[Any]:
    """A validator for anything an annotation can say and JSON can carry.

    Primitives, Literal, Enum, unions, list, dict, set, tuple, dataclass, TypedDict, pydantic model (also recursive),
    datetime, UUID, Decimal, bytes (as base64), `Annotated[T, "text"]` (the text becomes the description) and
    `Annotated[T, Field(...)]`.

    Raises:
        OutputTypeError: JSON cannot carry the type; the message names it and says what to use.
    """
    from agentkit.errors import OutputTypeError
    from agentkit.schema.expressible import NotExpressible
    from agentkit.schema.typed import TypeValidator

    try:
        return TypeValidator.of(tp)
    except NotExpressible as error:
        raise OutputTypeError(str(error)) from error


def for_json_schema(schema: Mapping[str, Any]) -> Validator[Any]:
    """A validator for a JSON Schema: draft 2020-12, or the draft that `$schema` names; the value is returned unchanged.

    `format` is not asserted. References are resolved within the schema only, nothing is fetched.

    Raises:
        OutputTypeError: the schema itself is wrong; the message names the place.
    """
    from agentkit.schema.document import DocumentValidator

    return DocumentValidator.of(schema)
