"""Numbers, dates and money as people write them: each reader gives its readings, the likeliest first."""

import datetime
import re
from collections import Counter
from collections.abc import Iterator
from typing import Literal

Decimal = Literal[".", ","]

_NUMBER = re.compile(
    r"(?<![\w.,/])(?P<minus>[-−])?"
    r"(?P<digits>\d{1,3}(?:[.,'’\u00a0\u202f ]\d{3}){1,8}(?:[.,]\d{1,4})?|\d{1,30}(?:[.,]\d{1,30})?)"
    r"(?![\d/]|[.,:-]\d)(?!\w{0,20}\d)"
)
_CODE_WORDS = "EUR USD GBP CHF JPY CNY RUB PLN SEK NOK DKK CZK CAD AUD INR BRL MXN TRY HUF UAH KZT NZD ZAR KRW SGD HKD"
_CODES = _CODE_WORDS.split()
_MONEY = {
    "€": "EUR", "$": "USD", "£": "GBP", "₽": "RUB", "¥": "JPY", "zł": "PLN", "₴": "UAH", "₹": "INR", "euro": "EUR",
    "euros": "EUR", "dollar": "USD", "dollars": "USD", "руб": "RUB", "рублей": "RUB", "рубль": "RUB", "rubles": "RUB",
    "pounds": "GBP", "francs": "CHF", "yen": "JPY", "kronor": "SEK", "pesos": "MXN", "fr": "CHF", "рублях": "RUB",
}  # fmt: skip
_CURRENCY = re.compile(
    r"(?<!\w)(?:" + "|".join((*_CODES, *(w for w in _MONEY if w[0].isalpha()))) + r")(?!\w)|[€$£₽¥₴₹]"
    r"|(?<=\d)(?:EUR|USD)"
)
_MONTHS: dict[str, int] = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar janvier enero январ", "feb february februar février fevrier febrero феврал",
            "mar march märz mrz mars marzo март", "apr april avril abril апрел", "may mai mayo мая май",
            "jun june juni juin junio июн", "jul july juli juillet julio июл", "aug august août aout agosto август",
            "sep sept september septembre septiembre сентябр", "oct okt october oktober octobre octubre октябр",
            "nov november novembre noviembre ноябр", "dec dez december dezember décembre diciembre декабр",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_NUMERIC_DATE = re.compile(r"(?<![\w./-])(\d{1,4})\s?([./-])\s?(\d{1,2})\s?\2\s?(\d{2,4})(?![\d/-]|\.\d)")
_WORDED_DATE = re.compile(
    r"(?<!\w)(?:(?P<d>\d{1,2})(?:st|nd|rd|th|er|\.|º)?[ -](?:de |of )?"
    r"(?P<m>[^\W\d]{3,12})\.?,?[ -](?:de |del )?(?P<y>\d{4})"
    r"|(?P<m2>[^\W\d]{3,12})\.? (?P<d2>\d{1,2})(?:st|nd|rd|th)?,? (?P<y2>\d{4}))(?!\d)"
)


def decimal_sign(text: str) -> Decimal:
    """The decimal sign that the numbers of a text use, "." when nothing tells."""
    signs = Counter(re.findall(r"\d([.,])\d{2}(?![\d.,/])", text))
    signs.update(m[::-1][0] for m in re.findall(r"\d([.,])\d{3}([.,])\d", text))
    return "," if signs[","] > signs["."] else "."


def _read_number(digits: str, decimal: Decimal) -> list[float | int]:
    bare = re.sub(r"['’\u00a0\u202f ]", "", digits)
    marks = [c for c in bare if c in ".,"]
    if not marks:
        return [int(bare)]
    last = marks[-1]
    as_fraction = bare.replace("." if last == "," else ",", "").replace(last, ".")
    thousands = int(re.sub(r"[.,]", "", bare))
    if len(set(marks)) == 2:
        return [float(as_fraction)]
    if len(marks) > 1:
        return [thousands]
    if len(bare) - bare.rindex(last) - 1 != 3:
        return [float(as_fraction)]
    return [float(as_fraction), thousands] if last == decimal else [thousands, float(as_fraction)]


def numbers(text: str, decimal: Decimal = ".") -> Iterator[tuple[int, int, list[float | int]]]:
    """Each number of the text: start, end, readings. "1.234" has two readings; `decimal` decides which comes first."""
    for match in _NUMBER.finditer(text):
        if len(match["digits"]) <= 30:
            readings = _read_number(match["digits"], decimal)
            yield match.start(), match.end(), [-r for r in readings] if match["minus"] else readings


def _iso(year: int, month: int, day: int) -> str | None:
    try:
        return datetime.date(year + 2000 if year < 100 else year, month, day).isoformat()
    except ValueError:
        return None


def _numeric(match: re.Match[str]) -> list[str]:
    a, b, c = int(match[1]), int(match[3]), int(match[4])
    if len(match[1]) == 4:
        forms = [(a, b, c)]
    elif len(match[1]) > 2 or len(match[4]) == 3:
        return []
    else:
        forms = [(c, b, a), (c, a, b)]  # day first; the American order is the second reading
    return list(dict.fromkeys(iso for form in forms if (iso := _iso(*form))))


def _worded(match: re.Match[str]) -> list[str]:
    name = (match["m"] or match["m2"]).casefold()
    month = _MONTHS.get(name) or next((n for m, n in _MONTHS.items() if len(m) > 3 and name.startswith(m)), None)
    iso = _iso(int(match["y"] or match["y2"]), month, int(match["d"] or match["d2"])) if month else None
    return [iso] if iso else []


def dates(text: str) -> list[tuple[int, int, list[str]]]:
    """Each date of the text, in order: start, end, ISO readings."""
    found = [(m.start(), m.end(), _numeric(m)) for m in _NUMERIC_DATE.finditer(text)]
    found += [(m.start(), m.end(), _worded(m)) for m in _WORDED_DATE.finditer(text)]
    return sorted(entry for entry in found if entry[2])


def currencies(text: str) -> list[str]:
    """ISO codes of the currencies that the text names, in order of mention, with repeats."""
    return [code for _, code in currency_spans(text)]


def currency_spans(text: str) -> list[tuple[int, str]]:
    """Where each currency stands in the text."""
    return [(m.start(), _MONEY.get(m[0], m[0])) for m in _CURRENCY.finditer(text)]
