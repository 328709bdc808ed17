"""Known gateways as data: base URL, key variable, documented limits, dated prices.

Every figure is from the vendor's own page (docs/seeds.md lists them word for word, with the date). What a page does not
say is not set here: the request then goes out as asked, and the server decides. Model ids that are not listed,
fine-tuned ones included, pass through with the gateway's general profile.
"""

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from agentkit.errors import ConfigurationError
from agentkit.models import Profile, ReasoningEffort
from agentkit.usage import Price

Surface: TypeAlias = Literal["chat_completions", "responses", "messages", "tasks"]

_NO_HEADERS: Mapping[str, str] = {}
_NO_PROFILES: Mapping[str, Profile] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A preset.

    `surface` is the API that it is asked through. `key_header` carries the key (`authorization` as a Bearer token).
    `headers` go with each request. `key_required` is False for local servers. `default_model` stands for the gateway's
    name alone.
    `coming_soon` are model ids that the vendor's page announces and does not serve yet.
    """

    name: str
    base_url: str
    surface: Surface = "chat_completions"
    key_header: str = "authorization"
    key_variable: str | None = None
    key_required: bool = True
    headers: Mapping[str, str] = field(default_factory=lambda: _NO_HEADERS)
    default_model: str | None = None
    profile: Profile = field(default_factory=Profile)
    models: Mapping[str, Profile] = field(default_factory=lambda: _NO_PROFILES)
    coming_soon: frozenset[str] = frozenset()

    def profile_of(self, model: str) -> Profile:
        """What is known of a model, else of the gateway."""
        return self.models.get(model, self.profile)


_TOAPIS_RANGES = {"max_tokens": (1, None), "temperature": (0, 2), "top_p": (0, 1)}
_BYTESPIKE_RANGES = {"max_tokens": (1, 16384), "temperature": (0, 2), "top_p": (0, 1)}
_PENALTIES = {"presence_penalty": (-2, 2), "frequency_penalty": (-2, 2)}
_MODELSTREAM_RANGES = {"max_tokens": (1, 16384), "temperature": (0, 2), "top_p": (0, 1), **_PENALTIES}
_MODELSTREAM = Profile(gateway="modelstream", max_tokens_field="max_completion_tokens")
_GPT_4O_MINI = replace(_MODELSTREAM, context=128_000, max_output=16_384, ranges=_MODELSTREAM_RANGES, vision=True)
_RUNWARE_TASK_RANGES = {"max_tokens": (1, 128_000), "temperature": (0, 2), "top_p": (0, 1), "seed": (0, 2**63 - 1)}
# The page does not name the four values of thinkingLevel; these three are in all other lists of the vendor's.
_RUNWARE_EFFORTS: tuple[ReasoningEffort, ...] = ("low", "medium", "high")
_MESSAGES_RANGES = {"max_tokens": (1, None), "temperature": (0, 1), "top_p": (0, 1)}
_MESSAGES_STOP = 8191  # Anthropic's own limit
_TOAPIS_DATE = datetime.date(2026, 5, 2)


def _toapis(input: float, output: float) -> Profile:
    return Profile(gateway="toapis", ranges=_TOAPIS_RANGES, price=Price(input=input, output=output, as_of=_TOAPIS_DATE))


def messages_profile(name: str) -> Profile:
    """What every server of the Messages API takes, as Anthropic documents it; `name` is what errors call it."""
    return Profile(
        gateway=name,
        ranges=_MESSAGES_RANGES,
        efforts=("none", "low", "medium", "high", "xhigh", "max"),  # none is said by saying nothing
        output_modes=("json_schema", "tool", "prompt"),
        max_stop=_MESSAGES_STOP,
    )


def _flat(profile: Profile) -> Profile:
    """ModelStream's flat form: one question, no tools."""
    return replace(profile, gateway="modelstream/form", form="prompt", output_modes=("json_object", "prompt"))


def _surfaces(name: str, base_url: str, key_variable: str, *surfaces: Surface) -> Iterator[Gateway]:
    """The same gateway asked through other APIs, as `name/surface`."""
    for surface in surfaces:
        spelled = f"{name}/{surface}"
        profile = messages_profile(spelled) if surface == "messages" else Profile(gateway=spelled)
        yield Gateway(name=spelled, base_url=base_url, surface=surface, key_variable=key_variable, profile=profile)


GATEWAYS: Mapping[str, Gateway] = {
    gateway.name: gateway
    for gateway in (
        Gateway(
            name="toapis",
            base_url="https://toapis.com/v1",
            key_variable="TOAPIS_API_KEY",
            default_model="gpt-5-4-mini-official",
            profile=Profile(gateway="toapis", ranges=_TOAPIS_RANGES),
            models={
                "gpt-5-4-mini-official": _toapis(0.60, 3.60),
                "gpt-5-4-nano-official": _toapis(0.16, 0.96),
            },
        ),
        Gateway(
            name="bytespike",
            base_url="https://llm.bytespike.ai/v1",
            key_variable="BYTESPIKE_API_KEY",
            default_model="gpt-5-4-mini",
            profile=Profile(
                gateway="bytespike", tool_choices=frozenset({"auto", "none", "named"}), failures_billed=False
            ),
            models={
                "gpt-5-4-mini": Profile(
                    gateway="bytespike",
                    context=128_000,
                    max_output=16_384,
                    ranges={**_BYTESPIKE_RANGES, **_PENALTIES},
                    tool_choices=frozenset({"auto", "none", "named"}),
                    vision=True,
                    failures_billed=False,
                ),
            },
        ),
        Gateway(
            name="modelstream",
            base_url="https://api.modelstream.ai/v1",
            key_variable="MODELSTREAM_API_KEY",
            default_model="gpt-4o-mini",
            profile=_MODELSTREAM,
            models={"gpt-4o-mini": _GPT_4O_MINI},
        ),
        Gateway(
            name="modelstream/form",
            base_url="https://api.modelstream.ai/v1",
            key_variable="MODELSTREAM_API_KEY",
            default_model="gpt-4o-mini",
            profile=_flat(_MODELSTREAM),
            models={"gpt-4o-mini": _flat(_GPT_4O_MINI)},
        ),
        Gateway(
            name="runware",
            base_url="https://api.runware.ai/v1",
            coming_soon=frozenset({"openai:gpt@5.4-mini"}),
            key_variable="RUNWARE_API_KEY",
            default_model="openai:gpt@5.4-mini",
            profile=Profile(gateway="runware", max_tokens_field="max_completion_tokens"),
            models={
                "openai:gpt@5.4-mini": Profile(
                    gateway="runware",
                    context=400_000,
                    max_output=128_000,
                    max_tokens_field="max_completion_tokens",
                    ranges={"max_tokens": (1, 128_000), "temperature": (0, 2), "top_p": (0, 1), **_PENALTIES},
                    vision=True,
                ),
            },
        ),
        Gateway(
            name="runware/tasks",
            base_url="https://api.runware.ai/v1",
            surface="tasks",
            coming_soon=frozenset({"openai:gpt@5.4-mini"}),
            key_variable="RUNWARE_API_KEY",
            default_model="openai:gpt@5.4-mini",
            profile=Profile(
                gateway="runware/tasks",
                ranges=_RUNWARE_TASK_RANGES,
                efforts=_RUNWARE_EFFORTS,
                max_stop=5,
                output_modes=("json_schema", "json_object", "prompt"),
                reports_cost=True,
            ),
            models={
                "openai:gpt@5.4-mini": Profile(
                    gateway="runware/tasks",
                    context=400_000,
                    max_output=128_000,
                    ranges=_RUNWARE_TASK_RANGES,
                    efforts=_RUNWARE_EFFORTS,
                    unsupported=frozenset({"stop", "presence_penalty", "frequency_penalty"}),
                    output_modes=("prompt",),
                    vision=True,
                    reports_cost=True,
                ),
            },
        ),
        Gateway(
            name="openai",
            base_url="https://api.openai.com/v1",
            key_variable="OPENAI_API_KEY",
            profile=Profile(gateway="openai", max_tokens_field="max_completion_tokens"),
        ),
        *_surfaces("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "responses"),
        Gateway(
            name="anthropic",
            base_url="https://api.anthropic.com/v1",
            surface="messages",
            key_header="x-api-key",
            key_variable="ANTHROPIC_API_KEY",
            profile=messages_profile("anthropic"),
        ),
        *_surfaces("toapis", "https://toapis.com/v1", "TOAPIS_API_KEY", "responses", "messages"),
        *_surfaces("bytespike", "https://llm.bytespike.ai/v1", "BYTESPIKE_API_KEY", "responses", "messages"),
        *_surfaces("runware", "https://api.runware.ai/v1", "RUNWARE_API_KEY", "responses", "messages"),
        Gateway(
            name="ollama",
            base_url="http://127.0.0.1:11434/v1",
            key_required=False,
            profile=Profile(gateway="ollama", strict=False),
        ),
        Gateway(
            name="llamacpp",
            base_url="http://127.0.0.1:8080/v1",
            key_required=False,
            default_model="default",
            # An idle kept-alive connection holds one of its few HTTP threads for 5 seconds.
            headers={"connection": "close"},
            # A choice that is an object is read as `auto`, and beside a response_format nothing is called.
            profile=Profile(
                gateway="llamacpp", tool_choices=frozenset({"auto", "required", "none"}), format_with_tools=False
            ),
        ),
        Gateway(
            name="vllm",
            base_url="http://127.0.0.1:8000/v1",
            key_required=False,
            profile=Profile(gateway="vllm"),
        ),
        Gateway(
            name="lmstudio",
            base_url="http://127.0.0.1:1234/v1",
            key_required=False,
            profile=Profile(gateway="lmstudio", output_modes=("json_schema", "tool", "prompt"), strict=False),
        ),
    )
}


def gateway_named(name: str) -> Gateway:
    """The preset of that name.

    Raises:
        ConfigurationError: there is none; the message lists those there are.
    """
    gateway = GATEWAYS.get(name)
    if gateway is None:
        raise ConfigurationError(
            f"{name!r} is not a known gateway; known are {', '.join(_known(name))}: use 'gateway:model', or "
            "ChatCompletionsModel(model, base_url=...) for any other OpenAI-compatible server"
        )
    return gateway


def on_surface(name: str, surface: Surface) -> Gateway | None:
    """The preset that asks the gateway of preset `name` through `surface`; None where there is none."""
    owner = name.partition("/")[0]
    spelled = (name, owner, f"{owner}/{surface}")
    return next((GATEWAYS[each] for each in spelled if each in GATEWAYS and GATEWAYS[each].surface == surface), None)


def _known(name: str) -> list[str]:
    """The presets of the gateway that was meant, where it is known; else the gateways."""
    owner = name.partition("/")[0]
    same = [each for each in GATEWAYS if each.partition("/")[0] == owner]
    return same or [each for each in GATEWAYS if "/" not in each]
