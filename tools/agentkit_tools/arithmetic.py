"""Exact numbers with a bounded size: what the calculator counts with.

Every number is a `Fraction`, so that 0.1 + 0.2 is 0.3 and floor(3 * 0.1 * 10) is 3. What has no exact fraction (roots,
powers, logarithms) is worked out to 150 digits and kept to 40, which turns 2.999...9 back into 3. No number grows past
1,000 digits, so no expression can use up time or memory. Knows nothing of syntax; `expression` does. All refusals are a
`ToolRetry` with a sentence for the model.
"""

import math
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, DecimalException, Overflow, Underflow
from fractions import Fraction

from agentkit import ToolRetry

_MAX_DIGITS = 1000
_MAX_BITS = 3322  # 10 ** 1000
_MAX_EXPONENT = 10**15
_MAX_ANGLE = 10**15
_WORKING_DIGITS = 150  # log(1 + 10 ** -100) needs the digits behind all those zeros
_EXACT_DIGITS = 28
_ROUNDED_DIGITS = 16

PI = Fraction("3.14159265358979323846264338327950288419716939937510582097494459")
E = Fraction("2.71828182845904523536028747135266249775724709369995957496696763")


def bounded(number: Fraction) -> Fraction:
    """The number, rounded to 60 digits where its denominator has become long.

    Raises:
        ToolRetry: it has more than 1,000 digits before or after the point.
    """
    size = number.numerator.bit_length() - number.denominator.bit_length()
    if size > _MAX_BITS:
        raise _too_large()
    if number and size < -_MAX_BITS:
        raise _too_small()
    if number.denominator.bit_length() > 400:
        return _rounded(_decimal(number, 60), 60)
    return number


def literal(text: str) -> Fraction:
    """The number that `text`, such as "1_000.5e3", says exactly."""
    try:
        decimal = Decimal(text)
    except DecimalException:
        raise ToolRetry(f"{text!r} is too large or too small a number.") from None
    # Checked before the fraction is made: 1e999999999 would be a number of a gigabyte.
    if decimal and abs(decimal.adjusted()) > _MAX_DIGITS:
        raise _too_large() if decimal.adjusted() > 0 else _too_small()
    return bounded(Fraction(decimal))


def power(base: Fraction, exponent: Fraction) -> Fraction:
    """base ** exponent: exact where that stays small, else to 40 digits."""
    if base == 0 and exponent < 0:
        raise ToolRetry("0 cannot be raised to a negative power.")
    if exponent.denominator != 1:
        return _root_power(base, exponent)
    if abs(base) in (0, 1):
        return base if exponent.numerator % 2 else base**2 if exponent else Fraction(1)
    if abs(exponent) > _MAX_EXPONENT:
        raise _too_large()
    count = int(exponent)
    numerator, denominator = math.log2(abs(base.numerator)), math.log2(base.denominator)
    if abs(count) * max(numerator, denominator) <= 2 * _MAX_BITS:
        return base**count
    return _by_decimal(lambda context: context.power(_decimal(base, _WORKING_DIGITS), Decimal(count)))


def square_root(number: Fraction) -> Fraction:
    """The square root, exact where there is an exact one."""
    if number < 0:
        raise ToolRetry("The square root of a negative number is not a real number.")
    top, bottom = math.isqrt(number.numerator), math.isqrt(number.denominator)
    if top * top == number.numerator and bottom * bottom == number.denominator:
        return Fraction(top, bottom)
    return _by_decimal(lambda context: context.sqrt(_decimal(number, _WORKING_DIGITS)))


def logarithm(number: Fraction, base: Fraction | None = None) -> Fraction:
    """The natural logarithm, or the one to `base`."""
    if number <= 0:
        raise ToolRetry("A logarithm needs a number above 0.")
    if base is None:
        return _by_decimal(lambda context: context.ln(_decimal(number, _WORKING_DIGITS)))
    if base <= 0 or base == 1:
        raise ToolRetry("The base of a logarithm must be above 0 and not 1.")
    return _by_decimal(
        lambda context: context.divide(
            context.ln(_decimal(number, _WORKING_DIGITS)), context.ln(_decimal(base, _WORKING_DIGITS))
        )
    )


def exponential(number: Fraction) -> Fraction:
    """e ** number."""
    if number == 0:
        return Fraction(1)
    return _by_decimal(lambda context: context.exp(_decimal(number, _WORKING_DIGITS)))


def rounded(number: Fraction, digits: int = 0) -> Fraction:
    """The number with `digits` places after the point; a half goes away from zero, as on paper."""
    if abs(digits) > 100:
        raise ToolRetry("round() takes between -100 and 100 digits.")
    scale = Fraction(10) ** digits
    whole = math.floor(abs(number) * scale + Fraction(1, 2))
    return Fraction(whole if number >= 0 else -whole) / scale


def sine(angle: Fraction) -> Fraction:
    """The sine of an angle in radians, to 15 digits."""
    return _trigonometric(math.sin, angle)


def cosine(angle: Fraction) -> Fraction:
    """The cosine of an angle in radians, to 15 digits."""
    return _trigonometric(math.cos, angle)


def tangent(angle: Fraction) -> Fraction:
    """The tangent of an angle in radians, to 15 digits."""
    if cosine(angle) == 0:
        raise ToolRetry("The tangent is not defined there: the cosine of the angle is 0.")
    return _trigonometric(math.tan, angle)


def total(numbers: Sequence[Fraction]) -> Fraction:
    """The sum, with its size checked at each step."""
    result = Fraction(0)
    for number in numbers:
        result = bounded(result + number)
    return result


def shown(number: Fraction) -> str:
    """The number in digits: whole numbers in full, others exactly up to 28 significant digits, else rounded to 16."""
    if number.denominator == 1:
        return _whole(number.numerator)
    decimal = _decimal(number, _EXACT_DIGITS)
    if Fraction(decimal) != number:
        decimal = _decimal(number, _ROUNDED_DIGITS)
    decimal = decimal.normalize(Context(prec=_EXACT_DIGITS))
    return f"{decimal:f}" if -7 <= decimal.adjusted() < 21 else f"{decimal:E}"


def _whole(number: int) -> str:
    decimal = Decimal(number).normalize(Context(prec=_MAX_DIGITS + 1))
    # A long row of zeros would claim digits that a rounded number does not have: 1.5 ** 3000 is known to 60 digits.
    rounded_off = decimal.adjusted() >= 60 and len(decimal.as_tuple().digits) <= 60
    return f"{decimal:E}" if rounded_off else str(number)


def _trigonometric(function: Callable[[float], float], angle: Fraction) -> Fraction:
    if abs(angle) > _MAX_ANGLE:
        raise ToolRetry("The angle is too large: give one below 1e15 radians.")
    turn = 2 * PI
    within = float(angle - turn * round(angle / turn))
    result = function(within)
    # A float cannot hold pi: what should be 0 comes out as about 1e-16. Near 0 itself a small result is right.
    if abs(result) < 1e-15 and abs(within) > 1:
        return Fraction(0)
    return Fraction(f"{result:.15g}")


def _root_power(base: Fraction, exponent: Fraction) -> Fraction:
    if base < 0:
        raise ToolRetry("A negative number raised to a fraction is not a real number.")
    if base == 0:
        return base
    if exponent.denominator == 2:
        return power(square_root(base), Fraction(exponent.numerator))
    if abs(exponent) > _MAX_EXPONENT:
        raise _too_large()
    return _by_decimal(
        lambda context: context.power(_decimal(base, _WORKING_DIGITS), _decimal(exponent, _WORKING_DIGITS))
    )


def _by_decimal(work: Callable[[Context], Decimal]) -> Fraction:
    context = Context(prec=_WORKING_DIGITS, Emax=_MAX_DIGITS + 200, Emin=-_MAX_DIGITS - 200)
    context.traps[Overflow] = context.traps[Underflow] = True
    try:
        return bounded(_rounded(work(context), 40))
    except Overflow:
        raise _too_large() from None
    except Underflow:
        raise _too_small() from None


def _decimal(number: Fraction, digits: int) -> Decimal:
    return Context(prec=digits).divide(Decimal(number.numerator), Decimal(number.denominator))


def _rounded(decimal: Decimal, digits: int) -> Fraction:
    return Fraction(Context(prec=digits).plus(decimal))


def _too_large() -> ToolRetry:
    return ToolRetry(f"The result is too large: it has more than {_MAX_DIGITS} digits.")


def _too_small() -> ToolRetry:
    return ToolRetry(f"The result is too close to 0: it has more than {_MAX_DIGITS} digits after the point.")
