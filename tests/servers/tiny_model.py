"""A language model of 1.5 MB that is made here: what comes next depends on the last token alone.

One token is one byte, besides the marks of the chat and of a tool call. The one layer adds nothing, and each token's
embedding is a direction of its own, so that the output matrix is a table of scores: how much each token is wanted after
each other. The scores are noise, with a few wishes on top:

- the answer is `answer`, then the end, or a tool call where the end is not allowed
- a text in JSON is `text`; a list, an object or a number is closed as soon as the grammar lets it be
- after a call comes the end, or, nearly as much wanted, another call

At temperature 0 that is what it says; at 2 the noise is heard. It knows nothing of what it was asked, so whatever is
valid in its answers is the work of the server's grammar.
"""

import itertools
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt

CONTEXT = 8192  # tokens at most; the server is asked for less

_TEMPLATE = """
{%- if tools %}<|im_start|>system
{% if messages[0].role == 'system' %}{{ messages[0].content }}
{% endif %}{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% elif messages[0].role == 'system' %}<|im_start|>system
{{ messages[0].content }}<|im_end|>
{% endif %}
{%- for message in messages %}
{%- if message.role == 'user' %}<|im_start|>user
{{ message.content }}<|im_end|>
{% elif message.role == 'assistant' %}<|im_start|>assistant
{% if message.content %}{{ message.content }}{% endif %}
{%- for call in message.tool_calls or [] %}<tool_call>
{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}
</tool_call>{% endfor %}<|im_end|>
{% elif message.role == 'tool' %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% endif %}
{%- endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""

_PRINTED = (*range(33, 127), *range(161, 173), *range(174, 256))
_CALL, _CALL_END, _START, _END = "<tool_call>", "</tool_call>", "<|im_start|>", "<|im_end|>"
_WIDTH = 288
_HEADS = 4
_INNER = 32
_NEVER = -30.0


def write_model(path: Path, *, answer: str, text: str) -> None:
    """Write the model to `path`, in the GGUF format. No letter stands twice in `answer` and `text` together."""
    symbols = _byte_symbols()
    # A byte-pair vocabulary must have a merge; this one joins two zero bytes, which no text has.
    tokens = [*symbols, symbols[0] * 2, _CALL, _CALL_END, _START, _END]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(1)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(_WIDTH)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.NORMAL] * 257 + [gguf.TokenType.USER_DEFINED] * 2 + [gguf.TokenType.CONTROL] * 2
    )
    writer.add_token_merges([f"{symbols[0]} {symbols[0]}"])
    writer.add_bos_token_id(tokens.index(_START))
    writer.add_eos_token_id(tokens.index(_END))
    writer.add_add_bos_token(False)
    writer.add_chat_template(_TEMPLATE)
    for name, tensor in _tensors(tokens, answer, text).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _byte_symbols() -> list[str]:
    """The letter that stands for each byte in byte-pair vocabularies: itself, or one from 256 up where it is blank."""
    spare = iter(range(256, 512))
    return [chr(byte if byte in _PRINTED else next(spare)) for byte in range(256)]


def _tensors(tokens: list[str], answer: str, text: str) -> dict[str, npt.NDArray[np.float32]]:
    embedding = np.zeros((len(tokens), _WIDTH), np.float32)
    np.fill_diagonal(embedding, 1)
    output = np.zeros_like(embedding)
    # The norm before it makes each embedding as long as the root of the width.
    output[:, : len(tokens)] = _wanted(tokens, answer, text).T / np.sqrt(_WIDTH)
    ones, head = np.ones(_WIDTH, np.float32), _WIDTH // _HEADS
    return {
        "token_embd.weight": embedding,
        "output.weight": output,
        "output_norm.weight": ones,
        "blk.0.attn_norm.weight": ones,
        "blk.0.ffn_norm.weight": ones,
        "blk.0.attn_q.weight": np.zeros((_WIDTH, _WIDTH), np.float32),
        "blk.0.attn_k.weight": np.zeros((head, _WIDTH), np.float32),
        "blk.0.attn_v.weight": np.zeros((head, _WIDTH), np.float32),
        "blk.0.attn_output.weight": np.zeros((_WIDTH, _WIDTH), np.float32),
        "blk.0.ffn_gate.weight": np.zeros((_INNER, _WIDTH), np.float32),
        "blk.0.ffn_up.weight": np.zeros((_INNER, _WIDTH), np.float32),
        "blk.0.ffn_down.weight": np.zeros((_WIDTH, _INNER), np.float32),
    }


def _wanted(tokens: list[str], answer: str, text: str) -> npt.NDArray[np.float32]:
    """Row: the last token; column: how much each is wanted next."""
    wanted = np.random.default_rng(11).normal(0, 1, (len(tokens), len(tokens))).astype(np.float32)
    call, call_end, start, end = (tokens.index(mark) for mark in (_CALL, _CALL_END, _START, _END))
    wanted[:, :33] = wanted[:, 127:257] = _NEVER  # blanks, and bytes that are no letter on their own
    wanted[:, [call, call_end, start]] = _NEVER
    wanted[:, end] = 8
    for rank, closing in enumerate(b'"}],:'):
        wanted[:, closing] = 6 - rank / 4
    for opening in b"{[:,":
        wanted[opening, ord('"')] = 9
    _follow(wanted, f'"{text}"'.encode(), 9)
    _follow(wanted, f"\n{answer}".encode(), 12)
    # So far apart that the sampler's own cut (min_p) drops the call where the end is allowed.
    wanted[ord(answer[-1]), [end, call]] = 13, 9.8
    wanted[call, ord("\n")] = 12
    wanted[ord("}"), call_end] = 9
    wanted[call_end, [end, call]] = 12, 11.5
    return wanted


def _follow(wanted: npt.NDArray[np.float32], text: bytes, score: float) -> None:
    for last, following in itertools.pairwise(text):
        wanted[last, following] = score
