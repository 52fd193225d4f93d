"""llama.cpp's HTTP server on a model of a few kilobytes: random weights, a vocabulary made up here.

Run by `scripts/interop` in its own environment: prints the server's base URL, and serves until its input closes.
"""

# The libraries are there only in the environment of `scripts/interop`, and have no types.
# pyright: basic, reportMissingImports=false
# mypy: disable-error-code="import-not-found,import-untyped"

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy
import xllamacpp
from gguf import GGUFWriter, TokenType

MODEL = "tiny-random-llama"
KEY = "interop"
END = 2
TOOL_CALL = 3
"""Ids of the tokens that end an answer and begin a tool call: a model that knows nothing finds them by `logit_bias`."""
CONTEXT = 2048
WIDTH = 32
FEED_FORWARD = 64
HEADS = 2

_WORDS = (
    "the a sea river light tower bird stone night wind ship sand rain song path field "
    "is was turns waits sings rests comes goes sees finds old new far small quiet blue and or but while with under over"
)
# The server learns from the template how tool calls look, and makes its grammar for them after that.
_TEMPLATE = """\
{%- if tools %}<|system|>
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|end|>
{% endif %}
{%- for message in messages %}<|{{ message.role }}|>
{{ message.content or '' }}
{%- for call in message.tool_calls or [] -%}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</tool_call>
{%- endfor %}<|end|>
{% endfor %}
{%- if add_generation_prompt %}<|assistant|>
{% endif %}"""


def write_model(path: Path) -> None:
    """Writes a llama of one layer that knows all bytes and a few words."""
    words = [f"\N{LOWER ONE EIGHTH BLOCK}{word}" for word in _WORDS.split()]
    tokens = ["<unk>", "<s>", "</s>", "<tool_call>", *(f"<0x{byte:02X}>" for byte in range(256)), *words]
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, TokenType.USER_DEFINED]
    kinds += [TokenType.BYTE] * 256 + [TokenType.NORMAL] * len(words)

    writer = GGUFWriter(path, "llama")
    writer.add_name(MODEL)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types(kinds)
    writer.add_add_space_prefix(False)  # else a grammar that begins with the template's last words matches nothing
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_chat_template(_TEMPLATE)

    random = numpy.random.default_rng(7)
    shapes = {
        "token_embd.weight": (len(tokens), WIDTH),
        "output.weight": (len(tokens), WIDTH),
        "blk.0.attn_q.weight": (WIDTH, WIDTH),
        "blk.0.attn_k.weight": (WIDTH, WIDTH),
        "blk.0.attn_v.weight": (WIDTH, WIDTH),
        "blk.0.attn_output.weight": (WIDTH, WIDTH),
        "blk.0.ffn_gate.weight": (FEED_FORWARD, WIDTH),
        "blk.0.ffn_up.weight": (FEED_FORWARD, WIDTH),
        "blk.0.ffn_down.weight": (WIDTH, FEED_FORWARD),
    }
    for name, shape in shapes.items():
        weights = random.normal(0, 0.3, shape)
        if name == "output.weight":
            weights[[END, *range(260, len(tokens))]] *= (
                3  # words more often than bytes: the answers are to look like text
            )
        writer.add_tensor(name, weights.astype(numpy.float32))
    for name in ("output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"):
        writer.add_tensor(name, numpy.ones(WIDTH, numpy.float32))

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Serves until standard input is closed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.gguf"
        write_model(path)
        parameters = xllamacpp.CommonParams()
        parameters.model.path = str(path)
        parameters.n_ctx = CONTEXT
        parameters.n_parallel = 2
        parameters.cpuparams.n_threads = 1
        parameters.port = 0
        parameters.model_alias = {MODEL}
        parameters.api_keys = [KEY]
        server = xllamacpp.Server(parameters)
        print(f"{server.listening_address}/v1", flush=True)
        sys.stdin.read()
        del server


if __name__ == "__main__":
    main()
