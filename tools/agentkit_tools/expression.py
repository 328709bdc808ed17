"""The calculator: works out a written expression without ever running it as code.

The expression is parsed to a syntax tree and walked; only the nodes below exist, so there is nothing to escape from.
Sizes are `arithmetic`'s business.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from agentkit import ToolRetry, tool
from agentkit_tools import arithmetic

_MAX_LENGTH = 1000
_MAX_DEPTH = 50

_WRITTEN_FORMS = str.maketrans({"×": "*", "·": "*", "÷": "/", "−": "-", "\n": " ", "\t": " "})
_ALLOWED = re.compile(r"[0-9A-Za-z_.+\-*/%(),\[\] ]*")

_BINARY: Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: lambda left, right: Fraction(left // right),
    ast.Mod: operator.mod,
    ast.Pow: arithmetic.power,
}
_CONSTANTS: Mapping[str, Fraction] = {"pi": arithmetic.PI, "e": arithmetic.E}


def _whole(number: Fraction) -> int:
    if number.denominator != 1:
        raise ToolRetry("round() takes a whole number of digits.")
    return int(number)


# name -> (fewest arguments, most arguments, function of the list of arguments)
_FUNCTIONS: Mapping[str, tuple[int, int, Callable[[list[Fraction]], Fraction]]] = {
    "abs": (1, 1, lambda values: abs(values[0])),
    "ceil": (1, 1, lambda values: Fraction(math.ceil(values[0]))),
    "cos": (1, 1, lambda values: arithmetic.cosine(values[0])),
    "exp": (1, 1, lambda values: arithmetic.exponential(values[0])),
    "floor": (1, 1, lambda values: Fraction(math.floor(values[0]))),
    "log": (1, 2, lambda values: arithmetic.logarithm(*values)),
    "max": (1, _MAX_LENGTH, max),
    "min": (1, _MAX_LENGTH, min),
    "round": (1, 2, lambda values: arithmetic.rounded(values[0], *map(_whole, values[1:]))),
    "sin": (1, 1, lambda values: arithmetic.sine(values[0])),
    "sqrt": (1, 1, lambda values: arithmetic.square_root(values[0])),
    "sum": (0, _MAX_LENGTH, arithmetic.total),
    "tan": (1, 1, lambda values: arithmetic.tangent(values[0])),
}
_OF_LISTS = ("max", "min", "sum")


@tool(effect="read", timeout=10)
def calculator(expression: str) -> str:
    """Work out an arithmetic expression exactly and return the number.

    Knows + - * / // % ** and parentheses, abs, ceil, cos, exp, floor, log(x) or log(x, base), max, min, round(x,
    digits), sin, sqrt, sum and tan (angles in radians), and the constants pi and e.

    Args:
        expression: The expression, for example "(1299.90 + 2 * 349) * 1.19". No thousands separators, no units.
    """
    text = _checked_text(expression)
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else "it is nested too deeply"
        raise ToolRetry(f"The expression cannot be read ({reason}): {text!r}.") from None
    return arithmetic.shown(_Evaluation(text).value(tree.body, 0))


class _Evaluation:
    """One walk over the syntax tree of `text`."""

    def __init__(self, text: str) -> None:
        self._text = text

    def value(self, node: ast.expr, depth: int) -> Fraction:
        if depth > _MAX_DEPTH:
            raise ToolRetry(f"The expression is nested more than {_MAX_DEPTH} deep: work it out in parts.")
        match node:
            case ast.Constant():
                return self._literal(node)
            case ast.Name(id=name):
                return _constant(name)
            case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign, operand=operand):
                number = self.value(operand, depth + 1)
                return -number if isinstance(sign, ast.USub) else number
            case ast.BinOp():
                return self._chain(node, depth + 1)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments, depth + 1)
            case ast.Tuple():
                raise ToolRetry("A comma separates arguments only: write numbers without thousands separators.")
            case _:
                raise ToolRetry(f"The calculator has no such thing as {self._source(node)!r}.")

    def _chain(self, node: ast.BinOp, depth: int) -> Fraction:
        # 1 + 2 + 3 + ... nests to the left without end: walked in a loop, so that a long sum is not a deep one.
        pending = [node]
        while isinstance(pending[-1].left, ast.BinOp):
            pending.append(pending[-1].left)
        number = self.value(pending[-1].left, depth)
        for step in reversed(pending):
            number = _applied(step.op, number, self.value(step.right, depth))
        return number

    def _literal(self, node: ast.Constant) -> Fraction:
        if type(node.value) is int:
            return arithmetic.bounded(Fraction(node.value))
        if type(node.value) is float:
            # From the text, not from the float, which has lost digits already.
            return arithmetic.literal(self._source(node))
        raise ToolRetry(f"The calculator has no such thing as {self._source(node)!r}.")

    def _call(self, name: str, nodes: list[ast.expr], depth: int) -> Fraction:
        if name not in _FUNCTIONS:
            raise ToolRetry(f"There is no function {name!r}; there are {', '.join(_FUNCTIONS)}.")
        fewest, most, function = _FUNCTIONS[name]
        if name in _OF_LISTS and len(nodes) == 1 and isinstance(nodes[0], ast.List | ast.Tuple):
            nodes = nodes[0].elts
        if not fewest <= len(nodes) <= most:
            expected = str(fewest) if fewest == most else f"at least {fewest}" if most > 2 else f"{fewest} or {most}"
            raise ToolRetry(f"{name}() takes {expected} numbers, not {len(nodes)}.")
        return arithmetic.bounded(function([self.value(node, depth + 1) for node in nodes]))

    def _source(self, node: ast.expr) -> str:
        return self._text[node.col_offset : node.end_col_offset]


def _constant(name: str) -> Fraction:
    if name not in _CONSTANTS:
        raise ToolRetry(f"There is no constant {name!r}; there are {', '.join(_CONSTANTS)}.")
    return _CONSTANTS[name]


def _applied(sign: ast.operator, left: Fraction, right: Fraction) -> Fraction:
    try:
        return arithmetic.bounded(_BINARY[type(sign)](left, right))
    except ZeroDivisionError:
        raise ToolRetry("The expression divides by zero.") from None


def _checked_text(expression: str) -> str:
    text = expression.translate(_WRITTEN_FORMS).strip()
    if not text:
        raise ToolRetry("The expression is empty.")
    if len(text) > _MAX_LENGTH:
        raise ToolRetry(f"The expression is longer than {_MAX_LENGTH} characters: work it out in parts.")
    if "^" in text:
        raise ToolRetry("Write powers as a ** b, not a ^ b.")
    known = _ALLOWED.match(text)
    if known is not None and known.end() < len(text):
        raise ToolRetry(f"The expression has a character that means nothing here: {text[known.end()]!r}.")
    return text
