"""What servers say when they refuse a request, and what is learned of it: the right thing, or nothing.

Each row names the kind of server. Most words were seen in public issues of that server or of its clients, or in the
recorded traffic; the others are what its documentation or source says.
"""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as some

from agentkit.errors import GatewayError
from agentkit.messages import (
    AssistantMessage,
    History,
    Message,
    ReasoningPart,
    SystemMessage,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from agentkit.models import ModelRequest, ModelSettings, Profile, ResponseFormat, ToolDefinition
from agentkit.providers.errors import error_from_object
from agentkit.providers.negotiation import Sent, lesson, refuses_tools

TRAFFIC = Path(__file__).parents[3] / "shared" / "reference" / "traffic" / "chat_public.jsonl.gz"
NAMES = {"max_tokens": "max_tokens", "max_completion_tokens": "max_tokens"}
ASKED = UserMessage("Weather in Oslo?")
WEATHER = ToolDefinition("get_weather", "Weather.", {"type": "object", "properties": {}, "additionalProperties": False})
STRICT = replace(WEATHER, strict=True, parameters={**WEATHER.parameters, "required": []})
SCHEMA = ResponseFormat("json_schema", "output", {"type": "object"}, strict=True)
OBJECT = ResponseFormat("json_object")
TALK: Sequence[Message] = (
    ASKED,
    AssistantMessage([ReasoningPart("Look it up."), ToolCall("call_12345", "get_weather", {}, "{}")]),
    ToolMessage("call_12345", "get_weather", "7 C"),
)
SHORT = Profile(max_tokens_field="max_completion_tokens")
DEVELOPER = Profile(system_role="developer")


def says(message: str, param: str | None = None, code: str | int | None = None) -> Any:
    """OpenAI's envelope."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def fastapi(kind: str, *loc: str | int, msg: str = "Extra inputs are not permitted", input: Any = None) -> Any:
    return {"detail": [{"type": kind, "loc": ["body", *loc], "msg": msg, "input": input}]}


def setting(**given: Any) -> ModelRequest:
    return ModelRequest([ASKED], settings=ModelSettings(**given))


def asked(*messages: Message, **options: Any) -> ModelRequest:
    return ModelRequest(messages or [ASKED], **options)


def without(*names: str) -> Mapping[str, Any]:
    return {"dropped": frozenset(names)}


def choices(*left: str) -> Mapping[str, Any]:
    return {"tool_choices": frozenset(left)}


@dataclass(frozen=True)
class Said:
    """What a kind of server answers a request with, and what of the profile changes; None: nothing does."""

    server: str
    body: Any
    request: ModelRequest
    change: Mapping[str, Any] | None
    profile: Profile = field(default_factory=Profile)
    choice: str | None = None
    status: int = 400

    @property
    def error(self) -> GatewayError:
        return error_from_object(self.body, gateway="test", headers={}, status=self.status)

    @property
    def sent(self) -> Sent:
        return Sent(self.request, self.profile, NAMES, self.choice, stream=True)


MUST = asked(tools=[WEATHER], tool_choice="required")
NAMED = asked(tools=[WEATHER], tool_choice="get_weather")
TOKENS = setting(max_tokens=9)
WARM = setting(temperature=0.7)
TOLD = asked(instructions="Be terse.")
FORMAT = asked(response_format=SCHEMA)
LONG = asked(*TALK, tools=[WEATHER])
RENAMED: Mapping[str, Any] = {"max_tokens_field": "max_completion_tokens"}
BACK: Mapping[str, Any] = {"max_tokens_field": "max_tokens"}
LOWER: Mapping[str, Any] = {"output_modes": ("json_object", "tool", "prompt")}
APART: Mapping[str, Any] = {"format_with_tools": False}
AS_TOOL: Mapping[str, Any] = {"output_modes": ("json_schema", "tool", "prompt")}
SYSTEM: Mapping[str, Any] = {"system_role": "system"}
FORGOTTEN: Mapping[str, Any] = {"replay_reasoning": False}

LEARNED = [
    # The output limit
    Said("OpenAI", says("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
         "'max_completion_tokens' instead.", "max_tokens", "unsupported_parameter"), TOKENS, RENAMED),
    Said("Azure, old API version", says("Unrecognized request argument supplied: max_completion_tokens"),
         TOKENS, BACK, SHORT),
    Said("a Go client of OpenAI", says("this model is not supported MaxTokens, please use MaxCompletionTokens"),
         TOKENS, RENAMED),
    Said("vLLM, a report as text", {"object": "error", "message": "[{'type': 'extra_forbidden', 'loc': ('body', "
         "'max_completion_tokens'), 'msg': 'Extra inputs are not permitted', 'input': 800}]", "type":
         "BadRequestError", "param": None, "code": 400}, TOKENS, BACK, SHORT),
    Said("Mistral", {"object": "error", "message": fastapi("extra_forbidden", "max_completion_tokens", input=9),
         "type": "invalid_request_error", "param": None, "code": None}, TOKENS, BACK, SHORT, status=422),
    Said("Azure with Mistral", fastapi("extra_forbidden", "max_completion_tokens", input=9), TOKENS, BACK, SHORT,
         status=422),
    Said("LiteLLM", says("litellm.UnsupportedParamsError: azure does not support parameters: "
         "['max_completion_tokens'], for model=gpt-4. To drop these, set `litellm.drop_params=True` or for proxy: "
         "`litellm_settings:\n drop_params: true`", None, "400"), TOKENS, BACK, SHORT),
    # Sampling
    Said("OpenAI", says("Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) "
         "value is supported.", "temperature", "unsupported_value"), WARM, without("temperature")),
    Said("Moonshot", {"error": {"message": "invalid temperature: only 1 is allowed for this model", "type":
         "invalid_request_error"}}, WARM, without("temperature")),
    Said("Moonshot", {"error": {"message": "invalid top_p: only 0.95 is allowed for this model", "type":
         "invalid_request_error"}}, setting(top_p=0.5, temperature=0.7), without("top_p")),
    Said("Anthropic", {"type": "error", "error": {"type": "invalid_request_error", "message": "`temperature` may only "
         "be set to 1 when thinking is enabled. Please consult our documentation."}}, WARM, without("temperature")),
    Said("Anthropic", {"type": "error", "error": {"type": "invalid_request_error", "message": "`temperature` is "
         "deprecated for this model."}}, WARM, without("temperature")),
    Said("Bedrock", {"message": "The model returned the following errors: `temperature` and `top_p` cannot both be "
         "specified for this model. Please use only one."}, setting(temperature=0.7, top_p=0.5), without("top_p")),
    Said("OpenAI", says("Unsupported parameter: 'presence_penalty' is not supported with this model.",
         "presence_penalty", "unsupported_parameter"), setting(presence_penalty=1), without("presence_penalty")),
    Said("xAI", {"code": "Client specified an invalid argument", "error": "Model grok-4 does not support parameter "
         "presencePenalty."}, setting(presence_penalty=1, frequency_penalty=1), without("presence_penalty")),
    Said("xAI", {"code": "invalid-argument", "error": "Model grok-4-latest does not support parameter "
         "reasoningEffort."}, asked(tools=[WEATHER], settings=ModelSettings(reasoning_effort="low")),
         without("reasoning_effort")),
    Said("xAI", {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: "
         "stop"}, setting(stop="x"), without("stop")),
    Said("Gemini", [{"error": {"code": 400, "message": "Penalty is not enabled for models/gemini-2.5-flash", "status":
         "INVALID_ARGUMENT"}}], setting(frequency_penalty=1), without("frequency_penalty")),
    Said("Gemini", [{"error": {"code": 400, "message": "Invalid JSON payload received. Unknown name \"seed\": Cannot "
         "find field.", "status": "INVALID_ARGUMENT", "details": [{"@type": "type.googleapis.com/google.rpc.BadRequest",
         "fieldViolations": [{"description": "Invalid JSON payload received. Unknown name \"seed\": Cannot find "
         "field."}]}]}}], setting(seed=1, temperature=1), without("seed")),
    Said("OpenAI", says("Unsupported parameter: 'stop' is not supported with this model.", "stop",
         "unsupported_parameter"), setting(seed=42, stop=["4242"]), without("stop")),
    Said("Bedrock", {"message": "Malformed input request: #: extraneous key [stop] is not permitted, please reformat "
         "your input and try again."}, setting(stop="x"), without("stop")),
    Said("Bedrock", {"message": "This model doesn't support the stopSequences field. Remove stopSequences and try "
         "again."}, setting(stop="x"), without("stop")),
    Said("Mistral", {"object": "error", "message": "Logprobs are not enabled for this model", "type":
         "invalid_request_invalid_args", "param": None, "code": "3051", "raw_status_code": 400},
         setting(logprobs=True, top_logprobs=2), without("logprobs", "top_logprobs")),
    Said("Groq", says("`logprobs` is not supported with this model"), setting(logprobs=True), without("logprobs")),
    Said("Groq", says("'logit_bias' : property 'logit_bias' is unsupported"), setting(logit_bias={"1": 1}),
         without("logit_bias")),
    Said("Cerebras", {"message": "frequency_penalty is not currently supported", "type": "invalid_request_error",
         "param": "frequency_penalty", "code": "wrong_api_format"}, setting(frequency_penalty=1),
         without("frequency_penalty")),
    Said("Perplexity", says("Extra fields not permitted: seed"), setting(seed=1), without("seed")),
    Said("a Rust server", "Failed to deserialize the JSON body into the target type: unknown field `seed`, expected "
         "one of `messages`, `model`, `user`, `stop` at line 1 column 70", setting(seed=1, stop="x", user="u"),
         without("seed"), status=422),
    Said("Gemini", [{"error": {"code": 400, "message": "Unable to submit request because Logprobs is not supported for "
         "this model.", "status": "INVALID_ARGUMENT"}}], setting(logprobs=True), without("logprobs")),
    Said("vLLM on Gaudi", says("Gaudi doesn't support logprobs. Please remove 'logprobs'/'top_logprobs' from your "
         "request to receive a response.", None, 400), setting(logprobs=True, top_logprobs=1),
         without("logprobs", "top_logprobs")),
    Said("a Go server", {"error": 'json: unknown field "seed"'}, setting(seed=1), without("seed")),
    Said("jsonschema", {"error": "Additional properties are not allowed ('user' was unexpected)"}, setting(user="me"),
         without("user")),
    Said("zod", {"error": {"message": "Unrecognized key(s) in object: 'seed'", "code": "unrecognized_keys"}},
         setting(seed=1), without("seed")),
    Said("pydantic", {"error": "1 validation error for ChatRequest\nseed\n  Extra inputs are not permitted "
         "[type=extra_forbidden, input_value=7, input_type=int]"}, setting(seed=7, temperature=1), without("seed")),
    Said("SGLang", says("Unsupported parameter(s): seed"), setting(seed=1), without("seed")),
    Said("a path in words", says("body.seed: unknown field"), setting(seed=1), without("seed")),
    Said("Azure, old API version", says("Unrecognized request arguments supplied: seed, user"), setting(user="me",
         seed=1), without("seed")),
    Said("a thinking model", says("This model only supports temperature=1"), WARM, without("temperature")),
    Said("a Chinese gateway", says("该模型不支持temperature参数。"), WARM, without("temperature")),
    # Other settings
    Said("OpenAI", says("Unsupported parameter: 'parallel_tool_calls' is not supported with this model.",
         "parallel_tool_calls", "unsupported_parameter"), asked(tools=[WEATHER],
         settings=ModelSettings(parallel_tool_calls=False)), without("parallel_tool_calls")),
    Said("a Bedrock proxy", fastapi("value_error", msg="Value error, parallel_tool_calls=False is not supported on "
         "this backend."), asked(tools=[WEATHER], settings=ModelSettings(parallel_tool_calls=False)),
         without("parallel_tool_calls"), status=422),
    Said("OpenAI", says("Unknown parameter: 'verbosity'.", "verbosity", "unknown_parameter"), setting(verbosity="low"),
         without("verbosity")),
    Said("OpenAI through a gateway", says("Unsupported parameter: 'reasoning.effort' is not supported with this model.",
         "reasoning.effort", "unsupported_parameter"), setting(reasoning_effort="low"), without("reasoning_effort")),
    Said("Groq", says("`reasoning_effort` is not supported with this model"), setting(reasoning_effort="low"),
         without("reasoning_effort")),
    Said("Groq", says("`reasoning_effort` must be one of `none` or `default`"), setting(reasoning_effort="low"),
         {"efforts": ("none",)}),
    Said("Groq", says("`reasoning_effort` must be one of `low`, `medium`, or `high`"), setting(reasoning_effort="none"),
         {"efforts": ("low", "medium", "high")}),
    Said("vLLM", fastapi("literal_error", "reasoning_effort", msg="Input should be 'low', 'medium' or 'high'",
         input="xhigh"), setting(reasoning_effort="xhigh"), {"efforts": ("low", "medium", "high")}, status=422),
    Said("OpenAI", says("Invalid value: 'max'. Supported values are: 'none', 'minimal', 'low', 'medium', 'high', and "
         "'xhigh'.", "reasoning_effort", "invalid_value"), setting(reasoning_effort="max"),
         {"efforts": ("none", "minimal", "low", "medium", "high", "xhigh")}),
    Said("Ollama", says("invalid reasoning value: 'xhigh' (must be \"high\", \"medium\", \"low\", or \"none\")"),
         setting(reasoning_effort="xhigh"), {"efforts": ("none", "low", "medium", "high")}),
    Said("Ollama", says('think value "low" is not supported for this model'), setting(reasoning_effort="low",
         extra={"think": "low"}), without("think")),
    Said("OpenAI", says("Unknown parameter: 'metadata'.", "metadata", "unknown_parameter"), setting(extra={"metadata":
         {}}), without("metadata")),
    Said("Groq", says("property 'store' is unsupported, did you mean 'stop'?"), setting(stop="x",
         extra={"store": True}), without("store")),
    Said("Mistral", fastapi("extra_forbidden", "user", input="temperature"), setting(user="temperature",
         temperature=1), without("user"), status=422),
    Said("Mistral", fastapi("extra_forbidden", "service_tier", input="flex"), setting(service_tier="flex"),
         without("service_tier"), status=422),
    Said("Bedrock", {"message": "The model returned the following errors: guardrails: Extra inputs are not permitted"},
         setting(extra={"guardrails": {}}), without("guardrails")),
    Said("New API", says("Unknown parameter: 'stream_options'. (request id: 20240806214436917505976hvsFC5y2)",
         "stream_options", "unknown_parameter"), asked(), {"stream_usage": False}),
    Said("Groq", says("property 'stream_options' is unsupported, did you mean 'stream'?"), asked(),
         {"stream_usage": False}),
    Said("Mistral", {"object": "error", "message": fastapi("extra_forbidden", "stream_options", "include_usage",
         input=True), "type": "invalid_request_error", "param": None, "code": None}, asked(), {"stream_usage": False},
         status=422),
    Said("Bedrock", {"message": "extraneous key [include_usage] is not permitted"}, asked(), {"stream_usage": False}),
    # Tools
    Said("DeepSeek", says("Thinking mode does not support this tool_choice", None, "invalid_request_error"), MUST,
         choices("auto", "none", "named"), choice="required"),
    Said("Moonshot", {"error": {"message": "tool_choice 'specified' is incompatible with thinking enabled", "type":
         "invalid_request_error"}}, NAMED, choices("auto", "none", "required"), choice="named"),
    Said("DashScope", says("<400> InternalError.Algo.InvalidParameter: The tool_choice parameter does not support "
         "being set to required or object in thinking mode", None, "invalid_parameter_error"), NAMED,
         choices("auto", "none", "required"), choice="named"),
    Said("Anthropic", {"type": "error", "error": {"type": "invalid_request_error", "message": "Thinking may not be "
         "enabled when tool_choice forces tool use."}}, MUST, choices("auto", "none", "named"), choice="required"),
    Said("Bedrock", {"message": "This model doesn't support the toolConfig.toolChoice.any field. Remove "
         "toolConfig.toolChoice.any and try again."}, MUST, choices("auto", "none", "named"), choice="required"),
    Said("vLLM", says('tool_choice = "required" is not supported!', None, 400), MUST,
         choices("auto", "none", "named"), choice="required"),
    Said("vLLM", fastapi("value_error", msg="Value error, `tool_choice` must either be a named tool, \"auto\", or "
         "\"none\"."), MUST, choices("auto", "none", "named"), choice="required", status=422),
    Said("OpenRouter", {"error": {"message": "No endpoints found that support the provided 'tool_choice' value. To "
         "learn more about provider routing, visit: https://openrouter.ai/docs/provider-routing", "code": 404}}, MUST,
         choices("auto", "none", "named"), choice="required", status=404),
    Said("a Rust server", says("Failed to deserialize the JSON body into the target type: tool_choice: expected one of "
         "`none`, `auto`, `required` or a tool at line 1"), NAMED, choices("auto", "none", "required"), choice="named"),
    Said("OpenAI", says("Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. "
         "Please use /v1/responses instead.", "reasoning_effort"), asked(tools=[WEATHER]),
         {"effort_with_tools": False}),
    Said("Mistral", fastapi("extra_forbidden", "tools", 0, "function", "strict", input=True),
         asked(tools=[STRICT]), {"strict": False}, status=422),
    Said("Cerebras", {"message": "Tools with mixed values for 'strict' are not allowed. Please set all tools to "
         "'strict: true' or 'strict: false'", "type": "invalid_request_error", "param": "tools", "code":
         "wrong_api_format"}, asked(tools=[STRICT, WEATHER]), {"strict": False}),
    Said("FastAPI", fastapi("literal_error", "tool_choice", "literal['none','auto']", msg="Input should be 'none' or "
         "'auto'", input="required"), MUST, choices("auto", "none", "named"), choice="required", status=422),
    # Structured output
    Said("DeepSeek", says("This response_format type is unavailable now", None, "invalid_request_error"), FORMAT,
         LOWER),
    Said("DeepSeek", "Failed to deserialize the JSON body into the target type: response_format: response_format.type "
         "`json_schema` is unavailable now at line 1 column 1193", FORMAT, LOWER, status=422),
    Said("a DeepSeek channel", says("Invalid input: response_format", "response_format"), FORMAT, LOWER),
    Said("Groq", says("This model does not support response format `json_schema`. See supported models at "
         "https://console.groq.com/docs/structured-outputs#supported-models", "response_format"), FORMAT, LOWER),
    Said("OpenAI", says("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
         "response_format"), FORMAT, LOWER),
    Said("DeepInfra", {"status": "failure", "message": "deepinfra error: json_object response format is not supported "
         "for model: stepfun-ai/Step-3.5-Flash", "error": {"message": "deepinfra error: json_object response format is "
         "not supported for model: stepfun-ai/Step-3.5-Flash", "type": "APIError", "code": "405"}},
         asked(response_format=OBJECT), AS_TOOL, status=405),
    Said("LM Studio", {"error": "'response_format.type' must be 'json_schema' or 'text'"},
         asked(response_format=OBJECT), AS_TOOL),
    Said("Gemini", [{"error": {"code": 400, "message": "Function calling with a response mime type: 'application/json' "
         "is unsupported", "status": "INVALID_ARGUMENT"}}], asked(tools=[WEATHER], response_format=SCHEMA), APART),
    Said("Groq", says("json mode cannot be combined with tool/function calling"), asked(tools=[WEATHER],
         response_format=OBJECT), APART),
    Said("Cerebras", {"message": '"tools" is incompatible with "response_format"', "type": "invalid_request_error",
         "param": "response_format", "code": "wrong_api_format"}, asked(tools=[WEATHER], response_format=SCHEMA),
         APART),
    Said("Fireworks", says("You cannot specify response format and function call at the same time"),
         asked(tools=[WEATHER], response_format=SCHEMA), APART),
    Said("OpenAI", says("Invalid schema for response_format 'output': In context=('properties', 'a'), 'minLength' is "
         "not permitted.", "response_format"), FORMAT, {"strict": False}),
    Said("OpenAI", says("Invalid schema for response_format 'output': In context=('properties', 'a'), 'oneOf' is not "
         "permitted.", "response_format"), asked(response_format=replace(SCHEMA, strict=False)), LOWER),
    Said("xAI", {"code": "Client specified an invalid argument", "error": "Invalid JSON schema in response_format: "
         "minLength is not supported"}, asked(response_format=replace(SCHEMA, strict=False)), LOWER),
    Said("Mistral", fastapi("literal_error", "response_format", "type", msg="Input should be 'text' or 'json_object'",
         input="json_schema"), FORMAT, LOWER, status=422),
    # Roles
    Said("New API", {"error": {"message": "invalid parameter 'messages[0].role': invalid role 'developer', must be one "
         "of: system, user, assistant, tool", "type": "gateway_error", "param": "", "code": "400002"}}, TOLD, SYSTEM,
         DEVELOPER),
    Said("DeepSeek", says("Failed to deserialize the JSON body into the target type: messages[0].role: unknown variant "
         "`developer`, expected one of `system`, `user`, `assistant`, `tool`, `latest_reminder` at line 1 column 60",
         None, "invalid_request_error"), TOLD, SYSTEM, DEVELOPER),
    Said("Volcengine", says("The parameter `messages.role` specified in the request are not valid: invalid value: "
         "`developer`, supported values are: `system`, `assistant`, `user`, `tool`. Request id: 021771916881057",
         "messages.role", "InvalidParameter"), TOLD, SYSTEM, DEVELOPER),
    Said("Vercel", says("Invalid enum value. Expected 'system' | 'user' | 'assistant' | 'tool', received 'developer'",
         "messages.0.role", "invalid_request_error"), TOLD, SYSTEM, DEVELOPER),
    Said("DashScope", says("developer is not one of ['system', 'assistant', 'user', 'tool', 'function'] - "
         "'messages.['0].role'"), TOLD, SYSTEM, DEVELOPER),
    Said("a chat template", says("chat template rejected the request: Unexpected message role."), TOLD,
         SYSTEM, DEVELOPER),
    Said("Mistral", {"detail": [{"type": "literal_error", "loc": ["body", "messages", 0, "developer", "role"], "msg":
         "Input should be 'system'", "input": "developer"}]}, TOLD, SYSTEM, DEVELOPER, status=422),
    Said("OpenAI", says("Unsupported value: 'messages[0].role' does not support 'system' with this model.",
         "messages[0].role", "unsupported_value"), TOLD, {"system_role": "developer"}),
    Said("vLLM with Gemma", {"object": "error", "message": "System role not supported", "type": "BadRequestError",
         "param": None, "code": 400}, TOLD, {"system_role": "developer"}),
    Said("vLLM with Qwen", {"error": {"message": "System message must be at the beginning.", "type": "BadRequestError",
         "param": None, "code": 400}}, asked(SystemMessage("A"), ASKED, instructions="B"), {"merge_system": True}),
    Said("vLLM with Gemma", says("Conversation roles must alternate user/assistant/user/assistant/... Conversation "
         "roles must alternate user/assistant/user/assistant/...", None, 400),
         asked(SystemMessage("A"), ASKED, instructions="B"), {"merge_system": True}),
    Said("a strict server", says("Multiple system messages are not supported"), asked(SystemMessage("A"), ASKED,
         instructions="B"), {"merge_system": True}),
    # Ids
    Said("Mistral", {"object": "error", "message": "Tool call id was call_12345 but must be a-z, A-Z, 0-9, with a "
         "length of 9.", "type": "invalid_function_call", "param": None, "code": "3280"}, LONG, {"tool_id_length": 9}),
    Said("vLLM with Mistral", {"object": "error", "message": "Tool call IDs should be alphanumeric strings with length "
         "9!", "type": "BadRequestError", "param": None, "code": 400}, LONG, {"tool_id_length": 9}),
    Said("OpenAI", says("Invalid 'messages[1].tool_calls[0].id': string too long. Expected a string with maximum "
         "length 40, but got a string with length 64 instead.", "messages[1].tool_calls[0].id",
         "string_above_max_length"), LONG, {"tool_id_length": 40}),
    Said("Anthropic", {"type": "error", "error": {"type": "invalid_request_error", "message":
         "messages.1.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'"}}, LONG,
         {"tool_id_length": 24}),
    # Reasoning that is sent back
    Said("Mistral", fastapi("extra_forbidden", "messages", 1, "assistant", "reasoning_content", input="Look it up."),
         LONG, FORGOTTEN, status=422),
    Said("Groq", says("'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property "
         "'reasoning_content' is unsupported)]"), LONG, FORGOTTEN),
    Said("Cerebras", {"message": "body.messages.1.assistant.reasoning_content: property "
         "'body.messages.1.assistant.reasoning_content' is unsupported", "type": "invalid_request_error", "param":
         "validation_error", "code": "wrong_api_format"}, LONG, FORGOTTEN),
    Said("Anthropic", {"type": "error", "error": {"type": "invalid_request_error", "message": "messages.1.content.0: "
         "Invalid `signature` in `thinking` block"}}, LONG, FORGOTTEN),
    Said("OpenAI", says("Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
         "input"), LONG, FORGOTTEN),
    Said("DeepSeek", says("The reasoning_content in the thinking mode must be passed back to the API."), LONG,
         {"replay_reasoning": True}, Profile(replay_reasoning=False)),
    Said("Moonshot", says("thinking is enabled but reasoning_content is missing in assistant tool call message at "
         "index 1"), LONG, {"replay_reasoning": True}, Profile(replay_reasoning=False)),
]  # fmt: skip

EVERYTHING = ModelSettings(
    max_tokens=50_000,
    temperature=1.5,
    top_p=0.5,
    stop="user",
    seed=1,
    user="me",
    presence_penalty=1,
    reasoning_effort="low",
    logprobs=True,
    service_tier="flex",
    extra={"metadata": {}, "store": True, "thinking": {}},
)
FULL = ModelRequest(
    [SystemMessage("Be kind."), *TALK],
    tools=[STRICT],
    tool_choice="required",
    instructions="Be terse.",
    response_format=SCHEMA,
    settings=EVERYTHING,
)

UNTOUCHED = [
    # A value is the caller's
    Said("OpenAI", says("max_tokens is too large: 50000. This model supports at most 16384 completion tokens, whereas "
         "you provided 50000.", "max_tokens", "invalid_value"), FULL, None),
    Said("Anthropic", {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: 50000 > "
         "8192, which is the maximum allowed number of output tokens for this model"}}, FULL, None),
    Said("vLLM", says("'max_tokens' or 'max_completion_tokens' must be at most 4096: larger values are not supported"),
         FULL, None),
    Said("Anthropic", {"type": "error", "error": {"type": "invalid_request_error", "message": "`max_tokens` must be "
         "greater than `thinking.budget_tokens`."}}, FULL, None),
    Said("OpenAI", says("Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 5 "
         "instead.", "max_output_tokens", "integer_below_min_value"), FULL, None),
    Said("OpenAI", says("Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 99.0 "
         "instead.", "temperature", "decimal_above_max_value"), FULL, None),
    Said("Doubleword", {"code": 400, "message": "Validation: Temperature must be between 0 and 2, got 100", "type":
         "Bad Request"}, FULL, None),
    Said("llama.cpp", {"error": {"code": 400, "message": "Field 'temperature': [json.exception.type_error.302] type "
         "must be number, but is string", "type": "invalid_request_error"}}, FULL, None),
    Said("vLLM", says("temperature must be non-negative, got -1.0."), FULL, None),
    Said("vLLM", fastapi("less_than_equal", "temperature", msg="Input should be less than or equal to 2", input=3),
         FULL, None, status=422),
    Said("Mistral", fastapi("float_type", "temperature", msg="Input should be a valid number", input="hot"), FULL,
         None, status=422),
    Said("Together", says("Invalid temperature", "temperature"), FULL, None),
    Said("DashScope", says("<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]", None,
         "invalid_parameter_error"), FULL, None),
    Said("Groq", says("`service_tier` must be one of `auto`, `on_demand`", "service_tier"), FULL, None),
    Said("OpenAI", says("Invalid type for 'stop': expected an array of strings, but got an integer instead.", "stop",
         "invalid_type"), FULL, None),
    Said("OpenAI", says("Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array "
         "with length 5 instead.", "stop", "array_above_max_length"), FULL, None),
    Said("OpenAI", says("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata"), FULL, None),
    Said("OpenAI", says("Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' "
         "are specified.", "parallel_tool_calls"), setting(parallel_tool_calls=False), None),
    Said("DeepSeek", {"detail": "Invalid top_logprobs and logprobs value"}, FULL, None),
    # The conversation is the caller's, too
    Said("OpenAI", says("Error while downloading https://example.com/image.jpg.", None, "invalid_image_url"), FULL,
         None),
    Said("OpenAI", says("You uploaded an unsupported image. Please make sure your image has of one the following "
         "formats: ['png', 'jpeg', 'gif', 'webp'].", None, "invalid_image_format"), FULL, None),
    Said("OpenAI", says("Invalid content type. image_url is only supported by certain models.",
         "messages.[0].content.[1].type"), FULL, None),
    Said("Ollama", says("this model does not support image input"), FULL, None),
    Said("DeepSeek", says("Failed to deserialize the JSON body into the target type: messages[0]: unknown variant "
         "`image_url`, expected `text` at line 1 column 391", None, "invalid_request_error"), FULL, None),
    Said("DeepSeek", says("Failed to deserialize the JSON body into the target type: messages[3].role: unknown variant "
         "`moderator`, expected one of `system`, `user`, `assistant`, `tool` at line 1 column 60"), FULL, None),
    Said("llama.cpp", says("unsupported content[].type"), FULL, None),
    Said("OpenAI", says("Missing required parameter: 'messages[1].content[0].type'.", "messages[1].content[0].type",
         "missing_required_parameter"), FULL, None),
    Said("OpenAI", says("Invalid schema for function 'get_weather': In context=(), 'additionalProperties' is required "
         "to be supplied and to be false.", "tools[0].function.parameters", "invalid_function_parameters"), FULL, None),
    Said("OpenAI", says("Invalid schema for function 'get_weather': In context=('properties', 'date'), 'format' is not "
         "permitted.", "tools[0].function.parameters", "invalid_function_parameters"), FULL, None),
    Said("a strict server", fastapi("value_error", "tools", 0, "function", "parameters", "properties", "day", "format",
         msg="format is not supported"), FULL, None, status=422),
    Said("OpenAI", says("Invalid 'tools[0].function.name': string does not match pattern. Expected a string that "
         "matches the pattern '^[a-zA-Z0-9_-]+$'.", "tools[0].function.name", "invalid_value"), FULL, None),
    Said("OpenAI", says("An assistant message with 'tool_calls' must be followed by tool messages responding to each "
         "'tool_call_id'. The following tool_call_ids did not have response messages: call_12345",
         "messages.[3].role"), FULL, None),
    Said("Mistral", {"object": "error", "message": "Expected last role User or Tool (or Assistant with prefix True) "
         "for serving but got assistant", "type": "invalid_request_message_order", "param": None, "code": "3230"}, FULL,
         None),
    Said("Mistral", {"object": "error", "message": "Unexpected role 'user' after role 'tool'", "type":
         "invalid_request_message_order", "param": None, "code": "3230"}, FULL, None),
    Said("OpenAI", says("'messages' must contain the word 'json' in some form, to use 'response_format' of type "
         "'json_object'.", "messages"), FULL, None),
    Said("DashScope", says("<400> InternalError.Algo.InvalidParameter: 'messages' must contain the word 'json' in some "
         "form, to use 'response_format' of type 'json_object'.", None, "invalid_parameter_error"), FULL, None),
    Said("OpenAI", says("Invalid value for 'content': expected a string, got null.", "messages.[1].content"), FULL,
         None),
    Said("a strict server", fastapi("string_type", "messages", 1, "content", msg="Input should be a valid string"),
         FULL, None, status=422),
    # So is the model
    Said("OpenAI", says("The model `gpt-9` does not exist or you do not have access to it.", None, "model_not_found"),
         FULL, None, status=404),
    Said("DeepSeek", says("The supported API model names are deepseek-v4-pro or deepseek-v4-flash, but you passed "
         "deepseek-v9.", None, "invalid_request_error"), FULL, None),
    Said("OpenRouter", {"error": {"code": 400, "message": "openai/gpt-x is not a valid model ID"}, "user_id": "user_1"},
         FULL, None),
    Said("Mistral", {"object": "error", "message": "Invalid model: user-temperature", "type": "invalid_model", "param":
         None, "code": "1500"}, FULL, None),
    Said("Azure", {"error": {"code": "404", "message": "Resource not found"}}, FULL, None, status=404),
    Said("Azure", says("Unknown api version: temperature-preview"), FULL, None),
    Said("OpenAI", says("Invalid URL (POST /v1/chat/completion)"), FULL, None, status=404),
    # And its length, and the rest
    Said("DeepSeek", says("This model's maximum context length is 1048565 tokens. However, you requested 1250025 "
         "tokens (1250025 in the messages, 0 in the completion). Please reduce the length of the messages."),
         FULL, None),
    Said("Perplexity", {"error": {"message": "The total length of all messages is too long.", "type":
         "too_many_prompt_tokens", "code": 400}}, FULL, None),
    Said("vLLM", says('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'), FULL,
         None, choice="required"),
    Said("OpenAI", says("Tool choice 'get_wether' not found in 'tools' parameter.", "tool_choice"), FULL, None,
         choice="named"),
    Said("OpenAI", says("We could not parse the JSON body of your request."), FULL, None),
    Said("a proxy", "Bad Request", FULL, None),
    Said("a proxy", {"error": {"message": "Unprocessable request", "code": "invalid_param"}}, FULL, None, status=422),
    Said("OpenAI", says("Your request was rejected by our safety system: this user is not allowed to ask that.", None,
         "content_blocked"), FULL, None),
    Said("Groq", says("Failed to call a function. Please adjust your prompt. See 'failed_generation' for more details.",
         None, "tool_use_failed"), FULL, None),
]  # fmt: skip


def named(rows: Sequence[Said]) -> list[Any]:
    return [pytest.param(row, id=f"{index}-{row.server}") for index, row in enumerate(rows)]


@pytest.mark.parametrize("row", named(LEARNED))
def test_a_refused_parameter_is_understood(row: Said) -> None:
    found = lesson(row.error, row.sent, [row.profile])

    assert row.change is not None
    assert (None if found is None else found.profile) == replace(row.profile, **row.change)


@pytest.mark.parametrize("row", named(UNTOUCHED))
def test_what_is_the_callers_to_mend_reaches_the_caller(row: Said) -> None:
    sent = replace(row.sent, tool_choice=row.choice or "required")

    assert lesson(row.error, sent, [row.profile]) is None


# What a server repeats of the conversation is not its own word

PARAMETERS = (
    "temperature", "top_p", "seed", "stop", "user", "max_tokens", "max_completion_tokens", "reasoning_effort", "strict",
    "response_format", "json_schema", "tool_choice", "stream_options", "metadata", "store", "logprobs", "system role",
)  # fmt: skip
REFUSALS = (
    "{} is not supported",
    "Unsupported parameter: '{}' is not supported with this model.",
    "Unknown parameter: {}",
    "{}: Extra inputs are not permitted",
    "does not support {}",
    "Please remove the {} parameter, it is deprecated.",
    "property '{}' is unsupported, did you mean 'stream'?",
    "developer is not one of ['system', 'user']; {} must be one of these",
)
SENTENCES = some.builds(str.format, some.sampled_from(REFUSALS), some.sampled_from(PARAMETERS))
PROMPTS = some.builds(" ".join, some.lists(some.one_of(SENTENCES, some.text(max_size=30)), min_size=1, max_size=4))


def echoes(prompt: str, cut: int) -> Sequence[Any]:
    """Errors about the content, with the prompt in them, whole or cut."""
    shown = prompt[: len(prompt) - cut] if cut < len(prompt) else prompt
    return (
        says(f"The content was rejected: {shown}", None, "content_rejected"),
        says(f"Invalid prompt {shown!r}: it was flagged.", "messages", "invalid_prompt"),
        {"error": {"message": "Input was flagged", "code": 400, "metadata": {"flagged_input": shown}}},
        {"detail": [{"type": "string_type", "loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid "
         "string", "input": prompt}]},
        {"object": "error", "message": f"[{{'type': 'string_type', 'loc': ('body', 'messages', 0, 'content'), 'msg': "
         f"'Input should be a valid string', 'input': {prompt!r}}}]", "type": "BadRequestError", "code": 400},
        {"error": f"Failed to parse the chat: {shown}"},
    )  # fmt: skip


@effort(max_examples=300, deadline=None)
@given(prompt=PROMPTS, cut=some.integers(0, 12), form=some.integers(0, 5))
def test_a_prompt_that_an_error_repeats_never_changes_what_is_known(prompt: str, cut: int, form: int) -> None:
    body = echoes(prompt, cut)[form]
    error = error_from_object(body, gateway="test", headers={}, status=400)
    request = replace(FULL, messages=History([SystemMessage("Be kind."), *TALK, UserMessage(prompt)]))

    assert lesson(error, Sent(request, Profile(), NAMES, "required", stream=True), [Profile()]) is None
    assert not (form == 1 and refuses_tools(error))


def test_a_refusal_that_the_conversation_talks_about_is_still_heard() -> None:
    talk = UserMessage("My server said that logprobs is not supported with this model. Is the seed supported?")
    request = ModelRequest([talk], settings=ModelSettings(temperature=0.5, seed=1))
    error = error_from_object(
        says("temperature is not supported with this model"), gateway="test", headers={}, status=400
    )

    found = lesson(error, Sent(request, Profile(), NAMES, None, stream=True), [Profile()])
    assert found is not None
    assert found.profile == Profile(dropped=frozenset({"temperature"}))


def as_sent(body: Mapping[str, Any]) -> Sent:
    """A recorded request as one of ours: what a lesson may be about, not its conversation."""
    plain = ("max_tokens", "temperature", "top_p", "stop", "seed", "logprobs", "top_logprobs", "reasoning_effort")
    given = {name: body[name] for name in plain if body.get(name) is not None}
    if "max_completion_tokens" in body:
        given["max_tokens"] = body["max_completion_tokens"]
    extra = {name: body[name] for name in ("thinking", "grammar") if name in body}
    told = any(message["role"] == "system" for message in body["messages"])
    choice = body.get("tool_choice")
    request = ModelRequest(
        [ASKED],
        tools=[WEATHER] if body.get("tools") else (),
        tool_choice=choice if isinstance(choice, str) else None,
        instructions="Be terse." if told else None,
        settings=ModelSettings(**given, extra=extra),
    )
    profile = SHORT if "max_completion_tokens" in body else Profile()
    return Sent(request, profile, NAMES, request.tool_choice, stream=bool(body.get("stream")))


@pytest.mark.skipif(not TRAFFIC.exists(), reason="the reference folder is not part of a checkout")
def test_of_the_recorded_refusals_those_that_can_be_mended_are() -> None:
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as lines:
        records = [record for line in lines if (record := json.loads(line))["status"] in (400, 404, 422)]
    mended: list[tuple[str, str]] = []
    for record in records:
        headers = record["response_headers"]
        try:
            body = json.loads(record["body"])
        except ValueError:
            body = record["body"]
        error = error_from_object(body, gateway="test", headers=headers, status=record["status"])
        sent = as_sent(record["request"])
        found = lesson(error, sent, [sent.profile])
        if found is not None:
            mended.append((record["provider"], found.text))

    assert len(records) == 39
    assert sorted(mended) == [
        ("deepseek", "tool_choice required is not sent"),
        ("mistral", "logprobs and top_logprobs are left out"),
        ("openai", "instructions go out with the role developer"),
        ("openai", "stop is left out"),
    ]
