"""A history as steps that stay or go whole: a message, and the answers to its calls."""

from collections.abc import Collection, Iterable
from itertools import chain

from agentkit.messages import History, Message, SystemMessage, ToolMessage, UserMessage

LEFT_OUT = "[Earlier messages were left out here.]"
SUMMARISED = "[Earlier messages stood here. This is a summary of them, written by a model.]"


class Outline:
    """Which messages can be left out, oldest first. Developers' own (system) messages never are."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.steps: list[range] = []
        for index, message in enumerate(history):
            if isinstance(message, ToolMessage) and self.steps:
                self.steps[-1] = range(self.steps[-1].start, index + 1)
            else:
                self.steps.append(range(index, index + 1))
        prompts = [place for place in range(len(self.steps)) if _is_prompt(self._opening(place))]
        asked = [place for place in prompts if not _is_correction(self._opening(place))]
        self._prompts = asked or prompts

    def older(self, keep_first: int) -> list[list[range]]:
        """What stands before the last prompt, in the units in which it goes.

        A prompt goes with all that follows it. The first `keep_first` prompts stay, and what follows them goes step by
        step.
        """
        kept, prompts = set(self._prompts[:keep_first]), set(self._prompts)
        units: list[list[range]] = []
        together = False
        for place in range(self._prompts[-1] if self._prompts else 0):
            if place in prompts:
                together = place not in kept
            if place in kept or isinstance(self._opening(place), SystemMessage):
                continue
            if together and place not in prompts:
                units[-1].append(self.steps[place])
            else:
                units.append([self.steps[place]])
        return units

    def recent(self, keep_last: int) -> list[range]:
        """The steps after the last prompt but for the newest `keep_last`."""
        start = self._prompts[-1] + 1 if self._prompts else 0
        places = range(start, len(self.steps))
        steps = [self.steps[place] for place in places if not isinstance(self._opening(place), SystemMessage)]
        return steps[: max(0, len(steps) - keep_last)]

    def with_results(self) -> list[range]:
        """The steps in which tools answered."""
        return [step for step in self.steps if isinstance(self._history[step.stop - 1], ToolMessage)]

    def _opening(self, place: int) -> Message:
        return self._history[self.steps[place].start]


def indices(steps: Iterable[range]) -> set[int]:
    """The messages of these steps."""
    return set(chain.from_iterable(steps))


def without(history: History, dropped: Collection[int], stand_in: Message) -> History:
    """The history without some of its messages, and `stand_in` in the place of the last of them.

    What stands before the first of them is shared with the history.
    """
    first, last = min(dropped), max(dropped)
    kept = [history[index] for index in range(first, last) if index not in dropped]
    return history.prefix(first).extended([*kept, stand_in, *history[last + 1 :]])


def _is_prompt(message: Message) -> bool:
    """Whether somebody said this; what stands for messages that are gone was said by nobody."""
    return isinstance(message, UserMessage) and not message.text.startswith((LEFT_OUT, SUMMARISED))


def _is_correction(message: Message) -> bool:
    """Whether the loop said this to the model."""
    return isinstance(message, UserMessage) and all(part.trust == "system" for part in message.parts)
