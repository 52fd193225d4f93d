"""Completions cut into chunks, in all the ways that servers cut them."""

from __future__ import annotations

import json

from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
NAMES = st.sampled_from(["f", "get_weather", "g"])
ARGUMENTS = st.dictionaries(st.sampled_from("abc"), st.integers() | TEXT, max_size=3).map(json.dumps)
STYLES = ("usual", "repeated", "id alone", "id once", "index alone", "name alone", "index 0")
MIXED = ("usual", "repeated", "id alone", "index alone")
"""Styles in which each piece says which call it is of, so that pieces of several calls can be mixed."""


@st.composite
def pieces(draw, text):
    """A text in pieces, some of them empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def mixed(draw, queues):
    """The items of several lists, each list in its order, and the lists begun in theirs."""
    queues = [list(queue) for queue in queues]
    items = []
    begun = 0
    while any(queues):
        ready = [at for at, queue in enumerate(queues[: begun + 1]) if queue]
        if not ready:
            begun += 1
            continue
        at = draw(st.sampled_from(ready))
        begun = max(begun, at + 1)
        items.append(queues[at].pop(0))
    return items


@st.composite
def call_deltas(draw, calls, style):
    """Tool calls as deltas, with index, id and name where this style of server gives them."""
    queues = []
    for place, (id, name, arguments) in enumerate(calls):
        queue = []
        for number, piece in enumerate(draw(pieces(arguments))):
            delta = {"function": {"arguments": piece}}
            if style in ("usual", "repeated", "index alone"):
                delta["index"] = place
            elif style == "index 0":
                delta["index"] = 0
            if style in ("repeated", "id alone") or (style in ("usual", "id once", "index 0") and not number):
                delta["id"] = id
            if not number or style == "repeated":
                delta["function"]["name"] = name
            queue.append({"tool_calls": [delta]})
        queues.append(queue)
    if style in MIXED:
        return draw(mixed(queues))
    return [delta for queue in queues for delta in queue]


@st.composite
def answers(draw, index):
    """One answer, and the chunks' choices that it comes in."""
    field = draw(st.sampled_from(["reasoning", "reasoning_content"]))
    message = {"role": "assistant"}
    deltas = [{"role": "assistant", "content": draw(st.sampled_from(["", None]))}]
    for name in (field, "content", "refusal"):
        text = draw(st.none() | TEXT)
        if text is not None:
            message[name] = text
            deltas += [{name: piece} for piece in draw(pieces(text))]
    style = draw(st.sampled_from(STYLES))
    found = draw(st.lists(st.tuples(NAMES, ARGUMENTS), max_size=3))
    with_id = style not in ("index alone", "name alone")
    calls = [(f"call_{place}" if with_id else "", name, text) for place, (name, text) in enumerate(found)]
    if calls:
        message["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": text}} for id, name, text in calls
        ]
        deltas += draw(call_deltas(calls, style))
    elif len(message) == 1 and deltas[0]["content"] == "":
        message["content"] = ""
    finish = "tool_calls" if calls else draw(st.sampled_from(["stop", "length"]))
    choices = [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas]
    last = {"index": index, "delta": {}, "finish_reason": finish}
    if draw(st.booleans()):
        choices[-1]["finish_reason"] = finish
    else:
        choices.append(last)
    return {"index": index, "message": message, "finish_reason": finish}, choices


@st.composite
def completions(draw):
    """A completion and the chunks that it comes in, each as JSON would have it."""
    head = {"id": "chatcmpl-1", "created": 1, "model": "m"}
    made = [draw(answers(index)) for index in range(draw(st.integers(1, 3)))]
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    chunks = [{**head, "choices": [choice]} for choice in draw(mixed([choices for _, choices in made]))]
    if draw(st.booleans()):
        chunks.append({**head, "choices": [], "usage": usage})
    else:
        chunks[-1]["usage"] = usage
    return {**head, "choices": [choice for choice, _ in made], "usage": usage}, chunks
