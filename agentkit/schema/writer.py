"""How pydantic's schemas are written for a model: short, in the order of the code, with what validation means."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonRef, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import core_schema


class SchemaWriter(GenerateJsonSchema):
    """pydantic's generator without made-up titles, with `Annotated[T, "text"]` as description."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"non-serializable-default"}  # noqa: RUF012  pydantic's own type

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._bytes = "base64"  # the config of our adapters; older versions of pydantic do not tell it to the generator

    @contextmanager
    def _inside(self, cls: type[Any] | None) -> Generator[None]:
        """While the fields of a class are written that may have a config of its own."""
        outside = self._bytes
        config = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None)
        if config is not None or (cls is not None and issubclass(cls, BaseModel)):
            self._bytes = (config or {}).get("val_json_bytes", "utf8")
        try:
            yield
        finally:
            self._bytes = outside

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:
        """Unsorted: the order of the code reads better and is as stable."""
        return value

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never: a title that repeats the name costs tokens and says nothing."""
        return False

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> JsonSchemaValue:
        """Without the class's name as title."""
        cls = schema.get("cls")
        with self._inside(cls):
            return _of_class(super().typed_dict_schema(schema), cls)

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        """Without the class's name as title."""
        with self._inside(schema["cls"]):
            return _of_class(super().dataclass_schema(schema), schema["cls"])

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Without the class's name as title."""
        with self._inside(schema["cls"]):
            return _of_class(super().model_schema(schema), schema["cls"])

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """As pydantic does, with enums without the class's name: that title is added after `enum_schema` is done."""
        written = super().generate_inner(schema)
        if schema["type"] == "enum":
            reference = written.get("$ref")
            definition = self.get_schema_from_definitions(JsonRef(reference)) if reference else written
            _untitled(definition or {}, schema["cls"])
        return written

    def bytes_schema(self, schema: core_schema.BytesSchema) -> JsonSchemaValue:
        """Says that base64 is expected, where it is; a pydantic model decides that in its own config."""
        written = super().bytes_schema(schema)
        if self._bytes == "base64":
            written.pop("format", None)
            written["contentEncoding"] = "base64"
        return written

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """A number or its text; the pattern of some pydantic versions looks ahead, which many gateways refuse."""
        written = super().decimal_schema(schema)
        for choice in written.get("anyOf", [written]):
            choice.pop("pattern", None)
        return written

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Without `discriminator`, which is OpenAPI's: in JSON Schema the constants of the tag say the same."""
        written = super().tagged_union_schema(schema)
        written.pop("discriminator", None)
        return written

    def generator_schema(self, schema: core_schema.GeneratorSchema) -> JsonSchemaValue:
        """Refused: pydantic checks an iterable while it is consumed, and then errors would come too late."""
        raise PydanticInvalidForJsonSchema("an iterable is only checked while it is read; use list instead")

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """A member of a union that JSON cannot carry refuses the union: leaving it out would hide it."""
        if kind == "skipped-choice":
            raise PydanticInvalidForJsonSchema(detail)
        super().emit_warning(kind, detail)


def _untitled(written: JsonSchemaValue, cls: type[Any]) -> JsonSchemaValue:
    if written.get("title") == cls.__name__:
        del written["title"]
    return written


def _of_class(written: JsonSchemaValue, cls: type[Any] | None) -> JsonSchemaValue:
    if cls is None:
        return written
    properties: dict[str, Any] = written.get("properties", {})
    for name, text in _texts(cls).items():
        if name in properties:
            properties[name].setdefault("description", text)
    return _untitled(written, cls)


def _texts(cls: type[Any]) -> Mapping[str, str]:
    """The `Annotated[T, "text"]` of a class's fields: pydantic keeps only `Field(description=...)`."""
    if issubclass(cls, BaseModel):
        metadata = {name: field.metadata for name, field in cls.model_fields.items()}
    else:
        try:
            hints = get_type_hints(cls, include_extras=True)
        except NameError:  # names of a function that has returned: pydantic found the types, the texts are a courtesy
            return {}
        metadata = {name: _metadata(hint) for name, hint in hints.items()}
    return {name: item for name, items in metadata.items() for item in items if isinstance(item, str)}


def _metadata(hint: Any) -> list[Any]:
    """What `Annotated` adds, also inside `Required` and `NotRequired`."""
    while (origin := get_origin(hint)) is not None and origin is not Annotated and str(origin).endswith("Required"):
        hint = get_args(hint)[0]
    return list(hint.__metadata__) if origin is Annotated else []
