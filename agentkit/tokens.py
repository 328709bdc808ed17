"""How many tokens a text will be, estimated without a tokenizer.

Counting exactly would need each vendor's vocabulary (megabytes, and unknown for most gateways). Limits only need a
figure that is near enough, and the server's own usage replaces it after each response.
"""

import re

# Runs that byte-pair vocabularies treat alike, with how many tokens one such run costs.
_RUN = re.compile(
    r"(?P<word> ?[A-Za-z]+)"
    r"|(?P<digits> ?[0-9]+)"
    r"|(?P<space>\s+)"
    r"|(?P<wide>[\u2E80-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF\uFF00-\uFFEF]+)"
    r"|(?P<other> ?[^\W\d_A-Za-z\u2E80-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF\uFF00-\uFFEF]+)"
    r"|(?P<mark>.)",
    re.DOTALL,
)
_EXACT_UP_TO = (
    20_000  # characters; longer texts are estimated from samples, so that a 5 MB text costs no more than a page
)


def estimate(text: str) -> int:
    """Tokens that a current OpenAI vocabulary would make of `text`, within about a third either way."""
    if len(text) <= _EXACT_UP_TO:
        return _count(text)
    window = _EXACT_UP_TO // 4
    stride = (len(text) - window) // 3
    sample = sum(_count(text[i * stride : i * stride + window]) for i in range(4))
    return round(sample * len(text) / (4 * window))


def _count(text: str) -> int:
    total = 0.0
    for match in _RUN.finditer(text):
        length = match.end() - match.start()
        match match.lastgroup:
            case "word":
                letters = length - (text[match.start()] == " ")
                total += 1 if letters <= 7 else 1 + (letters - 7) / 4.5
            case "digits":
                total += (length + 2) // 3
            case "space":
                total += 0.0 if length == 1 and text[match.start()] == " " else 0.6
            case "wide":
                total += length * 0.8
            case "other":
                total += max(1.0, length / 3.4)
            case _:
                total += 0.75
    return max(1, round(total)) if text else 0
