"""What an answer without open work means: the output, a reason to ask again, or the end of the run."""

import functools
import inspect
from dataclasses import dataclass, replace
from typing import Any, assert_never

from agentkit.errors import ContentFiltered, EmptyResponse, InvalidOutput, MalformedResponse, Refused, Truncated
from agentkit.messages import Message, ToolCall, ToolMessage, UserMessage
from agentkit.messages.validity import is_empty
from agentkit.output import OUTPUT_TOOL, Declared, Parsed, Rejected, parse, validate
from agentkit.runtime.run import Run
from agentkit.tools import ToolRetry

_NOT_RUN = "Not run: the answer that holds this call did not end as it should."


@dataclass(frozen=True, slots=True)
class Concluded:
    """The run has its output."""

    value: Any


@dataclass(frozen=True, slots=True)
class AskAgain:
    """The model gets `messages` and another turn;

    `problems` were wrong with the output, none if only a call was missing.
    """

    messages: tuple[Message, ...]
    problems: tuple[str, ...] = ()


def judge(run: Run) -> Concluded | AskAgain | None:
    """What the model's answer means; None when it is only calls. Those still open are to be answered in any case.

    Raises:
        RunEnded, GatewayError: it is no answer, and no correction is left or would help.
    """
    cut = _cut(run)
    if cut is not None:
        return cut
    if run.response is not None and is_empty(run.response.message):
        run.forget_answer()  # no server takes it back
    _refuse_failed(run)
    missing = _missing_call(run)
    if not run.open_calls:
        return missing or _conclude(run)
    final = _output_call(run)
    return missing if final is None or missing is not None else _conclude_call(run, final)


def _cut(run: Run) -> AskAgain | None:
    """The remedy for a declared output that was cut at the caller's max_tokens: once more, with a larger one."""
    if run.response is None or run.response.finish_reason != "length" or run.spec.declared is None:
        return None
    asked, larger = run.settings.max_tokens, run.larger_output()
    if larger is None or not run.budget.correct():
        return None
    run.take_back(replace(run.settings, max_tokens=larger))
    return AskAgain((), (f"the answer was cut at max_tokens={asked:,}; asked again with {larger:,}",))


def _refuse_failed(run: Run) -> None:
    """Nothing for an answer; for anything else the error that it is.

    Raises:
        Refused, Truncated: the model declined, or the answer was cut at the output limit.
        ContentFiltered, MalformedResponse: the gateway's filter cut it, or it ended in a way that nobody documents.
    """
    response = run.response
    if response is None:
        raise AssertionError("there is an answer to look at")
    message, name = response.message, run.spec.model.name
    match response.finish_reason:
        case "stop" | "tool_calls":
            return
        case "refusal":
            run.close_calls(_NOT_RUN)
            refusal = message.refusal or message.text or ""
            raise run.ended(Refused, f"{name} refused: {refusal}", refusal=refusal)
        case "length":
            run.close_calls(_NOT_RUN)
            raise run.ended(
                Truncated,
                f"{name} was cut at its output limit after {response.usage.output_tokens} tokens: set a larger "
                "max_tokens= in settings, or ask for less",
            )
        case "content_filter":
            run.close_calls(_NOT_RUN)
            raise ContentFiltered(f"the content filter of {name} cut the answer", partial=message)
        case "other":
            run.close_calls(_NOT_RUN)
            raise MalformedResponse(f"{name} ended its answer with an unknown finish_reason", partial=message)
        case _:
            assert_never(response.finish_reason)


def _missing_call(run: Run) -> AskAgain | None:
    """One reminder for a model (or server) that ignored `tool_choice` in the first turn."""
    choice = run.spec.tool_choice
    if choice in ("auto", "none") or run.budget.turns != run.first_turn or run.budget.last is not None:
        return None
    called = [call.name for call in run.open_calls if call.name != OUTPUT_TOOL]
    if choice in called or (choice == "required" and called):
        return None
    run.choice_corrected = True
    what = "one of the tools" if choice == "required" else f"the tool {choice}"
    return AskAgain((UserMessage(f"Call {what} before you answer.", trust="system"),))


def _conclude(run: Run) -> Concluded | AskAgain:
    """The end of a turn without calls.

    Raises:
        EmptyResponse: the model answered nothing.
        InvalidOutput: the output is not valid and no correction is left.
    """
    text = None if run.response is None else run.response.message.text
    declared = run.spec.declared
    if text is None:
        raise run.ended(EmptyResponse, f"{run.spec.model.name} answered nothing: no text, no call, no refusal")
    if declared is None:
        return Concluded(text)
    parsed = parse(text, declared)
    if isinstance(parsed, Parsed):
        run.warnings.extend(f"the output was mended: {slip}" for slip in parsed.mended)
        return Concluded(parsed.value)
    return _asked_again(run, declared, parsed)


def _conclude_call(run: Run, call: ToolCall) -> Concluded | AskAgain:
    """The end of a turn in which the model called the output tool; its siblings are answered as not run.

    Raises:
        InvalidOutput: the arguments are not valid and no correction is left.
    """
    declared = run.spec.declared
    if declared is None:
        raise AssertionError("the output tool is offered for a declared output only")
    if call.arguments is None:
        parsed: Parsed | Rejected = Rejected((call.problem or "the arguments are not a JSON object",))
    else:
        parsed = validate(call.arguments, declared)
    times = run.guard.rejected(call.arguments_text, parsed.problems) if isinstance(parsed, Rejected) else 0
    for index, open_call in enumerate(run.open_calls):
        text = "Not run: the final output was given in the same turn."
        if open_call.id == call.id:
            text = "Accepted." if isinstance(parsed, Parsed) else _explained(parsed, declared, times)
        run.answers[index] = ToolMessage(open_call.id, open_call.name, text, is_error=isinstance(parsed, Rejected))
    run.close_calls(concludes=isinstance(parsed, Parsed))
    if isinstance(parsed, Parsed):
        return Concluded(parsed.value)
    _correct(run, declared, parsed, times)
    return AskAgain((), parsed.problems)


def _output_call(run: Run) -> ToolCall | None:
    """The open call of the output tool, if there is one."""
    if run.plan.tool is None:
        return None
    return next((call for call in run.open_calls if call.name == OUTPUT_TOOL), None)


async def finish(run: Run, concluded: Concluded) -> Concluded | AskAgain:
    """The value, or what the caller's output function makes of it; a `ToolRetry` of the function asks the model again.

    Raises:
        InvalidOutput: no correction is left. What the function raises leaves as itself.
    """
    declared = run.spec.declared
    if declared is None or declared.function is None or declared.body is None:
        return concluded
    args, kwargs = concluded.value
    if declared.function.takes_context:
        args = [run.context(), *args]
    try:
        if declared.function.is_async:
            return Concluded(await declared.body(*args, **kwargs))
        value, error = await run.spec.threads.run(functools.partial(declared.body, *args, **kwargs), name=declared.name)
        if error is not None:
            raise error
        return Concluded(await value if inspect.isawaitable(value) else value)
    except ToolRetry as retry:
        return _asked_again(run, declared, Rejected((str(retry),)))


def _asked_again(run: Run, declared: Declared, rejected: Rejected) -> AskAgain:
    times = run.guard.rejected(_given(run), rejected.problems)
    _correct(run, declared, rejected, times)
    return AskAgain((UserMessage(_explained(rejected, declared, times), trust="system"),), rejected.problems)


def _given(run: Run) -> str:
    """The model's last answer, as text."""
    message = None if run.response is None else run.response.message
    if message is None:
        return ""
    return "\n".join([message.text or "", *(call.arguments_text for call in message.tool_calls)])


def _correct(run: Run, declared: Declared, rejected: Rejected, times: int) -> None:
    """Count a correction of an output that was given `times` times in a row.

    Raises:
        InvalidOutput: no correction is left, or the model only repeats itself.
    """
    again = run.budget.correct()
    if again and not run.guard.gives_up(times):
        return
    problems = "; ".join(rejected.problems)
    same = f", the same one {times} times in a row" if again else ""
    raise run.ended(
        InvalidOutput,
        f"{run.spec.model.name} gave no valid {declared.name} in "
        f"{run.budget.corrections + (not again)} tries{same}: {problems}",
        problems=rejected.problems,
    )


def _explained(rejected: Rejected, declared: Declared, times: int) -> str:
    listed = "\n".join(f"- {problem}" for problem in rejected.problems)
    same = " It is the same answer as before." if times > 1 else ""
    return f"This is not a valid {declared.name}:\n{listed}\nGive the whole {declared.name} again, corrected.{same}"
