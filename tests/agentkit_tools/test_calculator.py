"""The calculator: right answers, and nothing that runs code or uses up the machine."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentkit import ToolRetry
from agentkit_tools import calculator

ANSWERS = [
    ("1 + 2 * 3", "7"),
    ("(1 + 2) * 3", "9"),
    ("0.1 + 0.2", "0.3"),
    ("1 / 3 * 3", "1"),
    ("1 / 3", "0.3333333333333333"),
    ("2 / 3", "0.6666666666666667"),
    ("10 / 4", "2.5"),
    ("-7 // 2", "-4"),
    ("-7 % 3", "2"),
    ("7.5 % 2", "1.5"),
    ("2 ** 10", "1024"),
    ("2 ** -2", "0.25"),
    ("-2 ** 2", "-4"),
    ("--5", "5"),
    ("+5 - -5", "10"),
    ("4 ** 0.5", "2"),
    ("8 ** (1 / 3)", "2"),
    ("2 ** 0.5", "1.414213562373095"),
    ("0 ** 0", "1"),
    ("0 ** 0.5", "0"),
    ("(-1) ** 1000000000001", "-1"),
    ("(-1) ** 1000000000000", "1"),
    ("1 ** 10 ** 300", "1"),
    ("1_000 * 2", "2000"),
    ("1e3 + .5", "1000.5"),
    ("0x10", "16"),
    ("12345678901234567890 * 10 + 1", "123456789012345678901"),
    ("0.1234567890123456789012345678", "0.1234567890123456789012345678"),
    ("10 ** 30 / 7", "1.428571428571429E+29"),
    ("1 / 10 ** 9", "1E-9"),
    ("10 ** 25", "10000000000000000000000000"),
    ("10 ** 100", "1E+100"),
    ("2 ** 250", "1809251394333065553493296640760748560207343510400633813116524750123642650624"),
    ("1.5 ** 3000", "1.87835280200872106125692051361766544541304704288653862411472E+528"),
    ("7 ** -1100", "2.46692521666974E-930"),
    ("2 ** (1 - 10 ** -900)", "2"),
    ("100 / 3 * 3 - 100", "0"),
    ("1000 * (1 + 0.05 / 365) ** 3650", "1648.664813765472"),
    ("1.000000001 ** 1000000000", "2.718281827099904"),
    ("sqrt(2)", "1.414213562373095"),
    ("sqrt(144)", "12"),
    ("sqrt(0.25)", "0.5"),
    ("abs(-3.5)", "3.5"),
    ("round(2.5)", "3"),
    ("round(-2.5)", "-3"),
    ("round(2.675, 2)", "2.68"),
    ("round(1234, -2)", "1200"),
    ("floor(-1.5) + ceil(1.2)", "0"),
    ("floor(3 * 0.1 * 10)", "3"),
    ("floor(log(1000, 10))", "3"),
    ("log(e)", "1"),
    ("log(1)", "0"),
    ("log(1 + 10 ** -50) * 10 ** 50", "1"),
    ("exp(0)", "1"),
    ("exp(1)", "2.718281828459045"),
    ("sin(pi)", "0"),
    ("sin(1000000 * pi)", "0"),
    ("sin(pi / 6)", "0.5"),
    ("sin(0.0000000000000000001)", "1E-19"),
    ("cos(pi / 2)", "0"),
    ("cos(0)", "1"),
    ("tan(pi / 4)", "1"),
    ("min(3, 1, 2) + max([3, 1, 2])", "4"),
    ("sum([0.1, 0.2, 0.3])", "0.6"),
    ("sum(1, 2, 3)", "6"),
    ("sum([])", "0"),
    ("2 × 3 − 4 ÷ 2", "4"),
    ("1 +\n2", "3"),
    (" + ".join(["0.1"] * 160), "16"),
]

KNOWN = "there are abs, ceil, cos, exp, floor, log, max, min, round, sin, sqrt, sum, tan."

REFUSED = [
    ("", "The expression is empty."),
    ("1 +", "The expression cannot be read (invalid syntax): '1 +'."),
    ("1 / 0", "The expression divides by zero."),
    ("1 // 0", "The expression divides by zero."),
    ("1 % (2 - 2)", "The expression divides by zero."),
    ("0 ** -1", "0 cannot be raised to a negative power."),
    ("9 ** 9 ** 9", "The result is too large: it has more than 1000 digits."),
    ("10 ** 1000 * 10", "The result is too large: it has more than 1000 digits."),
    ("2 ** 10 ** 20", "The result is too large: it has more than 1000 digits."),
    ("0.5 ** 10000", "The result is too close to 0: it has more than 1000 digits after the point."),
    ("1.5 ** (10 ** 14)", "The result is too large: it has more than 1000 digits."),
    ("2 ** 100000.5", "The result is too large: it has more than 1000 digits."),
    ("1e999999999", "The result is too large: it has more than 1000 digits."),
    ("1e-999999999", "The result is too close to 0: it has more than 1000 digits after the point."),
    ("10 ** -1000 / 10", "The result is too close to 0: it has more than 1000 digits after the point."),
    ("2.5 ** 10 ** 16", "The result is too large: it has more than 1000 digits."),
    ("2 ** (10 ** 16 + 0.3)", "The result is too large: it has more than 1000 digits."),
    ("1e99999999999999999999", "'1e99999999999999999999' is too large or too small a number."),
    ("exp(1000000)", "The result is too large: it has more than 1000 digits."),
    ("exp(-10 ** 30)", "The result is too close to 0: it has more than 1000 digits after the point."),
    ("(-8) ** (1 / 3)", "A negative number raised to a fraction is not a real number."),
    ("sqrt(-1)", "The square root of a negative number is not a real number."),
    ("log(0)", "A logarithm needs a number above 0."),
    ("log(10, 1)", "The base of a logarithm must be above 0 and not 1."),
    ("tan(pi / 2)", "The tangent is not defined there: the cosine of the angle is 0."),
    ("sin(10 ** 40)", "The angle is too large: give one below 1e15 radians."),
    ("round(1, 10 ** 9)", "round() takes between -100 and 100 digits."),
    ("round(1, 0.5)", "round() takes a whole number of digits."),
    ("sqrt()", "sqrt() takes 1 numbers, not 0."),
    ("log(1, 2, 3)", "log() takes 1 or 2 numbers, not 3."),
    ("max()", "max() takes at least 1 numbers, not 0."),
    ("max([])", "max() takes at least 1 numbers, not 0."),
    ("2 ^ 3", "Write powers as a ** b, not a ^ b."),
    ("1,299 * 2", "A comma separates arguments only: write numbers without thousands separators."),
    ("5 € * 2", "The expression has a character that means nothing here: '€'."),
    ("'a' * 9", 'The expression has a character that means nothing here: "\'".'),
    ("x + 1", "There is no constant 'x'; there are pi, e."),
    (
        "factorial(5)",
        "There is no function 'factorial'; " + KNOWN,
    ),
    ("True", "The calculator has no such thing as 'True'."),
    ("3j", "The calculator has no such thing as '3j'."),
    ("1 if 1 else 2", "The calculator has no such thing as '1 if 1 else 2'."),
    ("not 1", "The calculator has no such thing as 'not 1'."),
    ("[1, 2]", "The calculator has no such thing as '[1, 2]'."),
    ("(1).real", "The calculator has no such thing as '(1).real'."),
    ("().__class__.__bases__[0]", "The calculator has no such thing as '().__class__.__bases__[0]'."),
    (
        "__import__(0)",
        "There is no function '__import__'; " + KNOWN,
    ),
    ("sqrt(*[4])", "The calculator has no such thing as '*[4]'."),
    ("[x for x in [1]]", "The calculator has no such thing as '[x for x in [1]]'."),
    ("1" * 1001, "The expression is longer than 1000 characters: work it out in parts."),
    ("2 **" * 60 + "1", "The expression is nested more than 50 deep: work it out in parts."),
    ("5 @ 2", "The expression has a character that means nothing here: '@'."),
    ("5 << 2", "The expression has a character that means nothing here: '<'."),
]


@pytest.mark.parametrize(("expression", "answer"), ANSWERS)
def test_an_expression_gives_its_exact_answer(expression: str, answer: str) -> None:
    assert calculator(expression) == answer


@pytest.mark.parametrize(("expression", "sentence"), REFUSED)
def test_what_cannot_be_worked_out_is_told_to_the_model_in_a_sentence(expression: str, sentence: str) -> None:
    with pytest.raises(ToolRetry) as refusal:
        calculator(expression)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("opener", ["(", "-", "+", "[", "abs(", "-("])
def test_deep_nesting_is_refused_and_never_a_crash(opener: str) -> None:
    with pytest.raises(ToolRetry):
        calculator((opener * 1000)[:998] + "1")


@given(st.text(alphabet="0123456789.+-*/%(),[] epiabsqrtlogmnx_", max_size=60))
def test_any_text_gives_a_number_or_a_sentence(text: str) -> None:
    assert _answer_or_refusal(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_a_decimal_number_comes_back_as_it_was_written(number: Decimal) -> None:
    assert Decimal(calculator(f"({number:f}) * 1")) == number


def _answer_or_refusal(expression: str) -> str:
    try:
        return str(calculator(expression))
    except ToolRetry as refusal:
        return str(refusal)
