"""From Python types to JSON Schema and back: how a function's parameters look to a model, and whether a value fits.

Above: tools and output, which send the schemas and turn `InvalidValue` into a message for the model. Below: pydantic
and jsonschema, loaded on first use. This room knows nothing of messages, models or the wire.
"""

from agentkit.schema.function import FunctionSchema, function_schema
from agentkit.schema.problem import InvalidValue, Problem
from agentkit.schema.strict import strict_schema
from agentkit.schema.validator import Validator, for_json_schema, for_type

__all__ = [
    "FunctionSchema",
    "InvalidValue",
    "Problem",
    "Validator",
    "for_json_schema",
    "for_type",
    "function_schema",
    "strict_schema",
]
