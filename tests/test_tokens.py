"""The token estimate, against counts of the real vocabulary."""

import gzip
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agentkit.tokens import estimate

_TRAFFIC = Path(__file__).parents[2] / "shared" / "reference" / "traffic" / "chat_public.jsonl.gz"

# Counts that OpenAI published for its o200k vocabulary when it announced GPT-4o.
_PUBLISHED = {
    "English": (24, "Hello, my name is GPT-4o. I'm a new type of language model, it's nice to meet you!"),
    "German": (
        29,
        "Hallo, mein Name is GPT-4o. Ich bin ein neues KI-Sprachmodell. Es ist schön, dich kennenzulernen.",
    ),
    "French": (
        28,
        "Bonjour, je m'appelle GPT-4o. Je suis un nouveau type de modèle de langage, "
        "c'est un plaisir de vous rencontrer!",
    ),
    "Vietnamese": (
        30,
        "Xin chào, tên tôi là GPT-4o. Tôi là một loại mô hình ngôn ngữ mới, rất vui được gặp bạn!",
    ),
    "Russian": (23, "Привет, меня зовут GPT-4o. Я — новая языковая модель, приятно познакомиться!"),
    "Arabic": (26, "مرحبًا، اسمي جي بي تي-4o. أنا نوع جديد من نموذج اللغة، سررت بلقائك!"),
    "Hindi": (
        31,
        "नमस्ते, मेरा नाम जीपीटी-4o है। मैं एक नए प्रकार का भाषा मॉडल हूं। आपसे मिलकर अच्छा लगा!",
    ),
    "Chinese": (24, "你好,我的名字是GPT-4o。我是一种新型的语言模型,很高兴见到你!"),
    "Japanese": (26, "こんにちわ、私の名前はGPT−4oです。私は新しいタイプの言語モデルです、初めまして"),
    "Korean": (27, "안녕하세요, 제 이름은 GPT-4o입니다. 저는 새로운 유형의 언어 모델입니다, 만나서 반갑습니다!"),
}


@pytest.mark.parametrize(("tokens", "text"), _PUBLISHED.values(), ids=_PUBLISHED)
def test_a_sentence_in_any_language_is_estimated_within_a_factor_of_1_4(tokens: int, text: str) -> None:
    assert tokens / 1.4 <= estimate(text) <= tokens * 1.4


def test_code_and_json_are_estimated_within_a_factor_of_1_4_of_what_openai_counted() -> None:
    if not _TRAFFIC.exists():
        pytest.skip("the recorded traffic is not part of a checkout")
    far_off: list[tuple[int, int, str]] = []
    counted = 0
    with gzip.open(_TRAFFIC, "rt", encoding="utf-8") as lines:
        for line in lines:
            sample = _counted_by_openai(json.loads(line))
            if sample is None:
                continue
            tokens, text = sample
            counted += 1
            if not tokens / 1.4 <= estimate(text) <= tokens * 1.4:
                far_off.append((tokens, estimate(text), text[:80]))
    assert counted > 300
    assert len(far_off) <= counted // 100, far_off


@pytest.mark.parametrize(("kind", "least"), [("prose", 300), ("code", 200), ("json", 60)])
def test_answers_of_real_servers_are_estimated_within_a_factor_of_1_4(kind: str, least: int) -> None:
    """Nine in ten are; a few servers count what they do not show (citations, reasoning that they hide)."""
    if not _TRAFFIC.exists():
        pytest.skip("the recorded traffic is not part of a checkout")
    with gzip.open(_TRAFFIC, "rt", encoding="utf-8") as lines:
        counted = {text: tokens for line in lines for tokens, text in _answered(json.loads(line)) if tokens > 50}
    ratios = [estimate(text) / tokens for text, tokens in counted.items() if _kind(text) == kind]
    off = sorted(max(ratio, 1 / ratio) for ratio in ratios)
    assert len(off) > least
    assert 0.9 <= statistics.median(ratios) <= 1.1
    assert off[len(off) * 9 // 10] <= 1.4


def test_nothing_is_no_token_and_anything_is_at_least_one() -> None:
    assert (estimate(""), estimate(" "), estimate("a"), estimate("\n")) == (0, 1, 1, 1)


def test_a_long_text_is_estimated_from_samples() -> None:
    page = "The quick brown fox jumps over the lazy dog. "
    once = estimate(page * 400)
    assert 0.9 <= estimate(page * 40_000) / (once * 100) <= 1.1


def _counted_by_openai(record: dict[str, object]) -> tuple[int, str] | None:
    """Tokens and text of one request with a single plain message; None for another record."""
    request, body = record["request"], record["body"]
    if record["provider"] != "openai" or record["stream"] or record["status"] != 200:
        return None
    if not isinstance(request, dict) or not isinstance(body, str) or request.keys() & {"tools", "response_format"}:
        return None
    messages = request.get("messages", [])
    if not all(message.keys() == {"role", "content"} and isinstance(message["content"], str) for message in messages):
        return None
    answer = json.loads(body)
    if not str(answer.get("model")).startswith(("gpt-4o", "gpt-4.1", "gpt-5")) or "usage" not in answer:
        return None
    tokens = answer["usage"]["prompt_tokens"] - 3 - 4 * len(messages)
    return (tokens, "\n".join(message["content"] for message in messages)) if tokens >= 40 else None


def _answered(record: dict[str, Any]) -> Iterator[tuple[int, str]]:
    """Tokens and text of an answer that is text and nothing else; nothing for another record."""
    if record["status"] != 200 or not isinstance(record["body"], str):
        return
    bodies = [_decoded(line.removeprefix("data:")) for line in record["body"].splitlines() if line.startswith("data:")]
    if not record["stream"]:
        bodies = [_decoded(record["body"])]
    text = ""
    usage: dict[str, Any] = {}
    for body in bodies:
        usage = body.get("usage") or usage
        for choice in body.get("choices") or ():
            message = choice.get("delta") or choice.get("message") or {}
            said = {name for name, value in message.items() if value and name not in ("role", "annotations")}
            if choice.get("index") or said - {"content"} or not isinstance(message.get("content") or "", str):
                return
            text += message.get("content") or ""
    details = usage.get("completion_tokens_details") or {}
    if text.strip() and usage.get("completion_tokens") and not details.get("reasoning_tokens"):
        yield usage["completion_tokens"], text


def _decoded(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _kind(text: str) -> str:
    if "```" in text:
        return "code"
    return "json" if _decoded(text) else "prose"
