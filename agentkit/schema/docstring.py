"""What a docstring says about a function and its parameters: Google, NumPy and Sphinx style."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_Style = Literal["GOOGLE", "NUMPYDOC", "REST"]

# docstring_parser can find the style itself by reading the text in all of them; looking first is several times faster,
# and a plain docstring does not load the library at all.
_MARKS: Mapping[_Style, re.Pattern[str]] = {
    "REST": re.compile(
        r"^:(param|parameter|arg|argument|key|keyword|type|raises?|returns?|rtype|yields?)\b[^:\n]*:", re.M
    ),
    "NUMPYDOC": re.compile(
        r"^(Parameters|Params|Arguments|Args|Other Parameters|Returns|Yields|Raises|Warns|Attributes|Examples?|See Also"
        r"|Notes|References|Warnings)[ \t]*\n-{3,}[ \t]*$",
        re.M,
    ),
    "GOOGLE": re.compile(
        r"^(Arguments|Args|Parameters|Params|Raises|Exceptions|Except|Attributes|Examples?|Returns|Yields):[ \t]*$",
        re.M,
    ),
}


@dataclass(frozen=True, slots=True)
class Docstring:
    """The function's own description, without the sections, and the text of each parameter."""

    description: str
    parameters: Mapping[str, str]


def read_docstring(text: str | None) -> Docstring:
    """What a docstring says; its indentation is clean already (`inspect.getdoc`).

    A docstring that cannot be taken apart is all description.
    """
    if not text:
        return Docstring("", {})
    for style, mark in _MARKS.items():
        if mark.search(text):
            return _in_style(text, style)
    return Docstring(text.strip(), {})


def _in_style(text: str, style: _Style) -> Docstring:
    from docstring_parser import DocstringStyle, ParseError, parse

    try:
        parsed = parse(text, style=DocstringStyle[style])
    except ParseError:
        return Docstring(text.strip(), {})
    parameters: dict[str, str] = {}
    for param in parsed.params:
        if param.description and param.args[0] != "attribute":
            for name in param.arg_name.split(","):  # NumPy: "x, y : int"
                parameters[name.strip().lstrip("*")] = " ".join(param.description.split())
    return Docstring((parsed.description or "").strip(), parameters)
