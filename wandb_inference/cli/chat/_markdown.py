"""Markdown as models write it."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from rich.markdown import Markdown

_MATHS: Final = re.compile(r"\\\[.*?\\\]|\\\(.*?\\\)|\$\$.+?\$\$|\\[\[\]()]", re.DOTALL)
"""TeX between its marks, or a mark that stands alone: CommonMark takes its backslashes, stars and underscores."""


def markdown(text: str, *, dim: bool = False) -> Markdown:
    """What shows a text as the Markdown that it is.

    Models write for pages of chats: HTML is text like other (`List<int>` would lose its half), lines stay lines, and
    TeX is left as it is. A link is shown with where it leads: hidden behind a text, it could lead elsewhere.
    """
    document = Markdown("", code_theme="ansi_dark", hyperlinks=False, style="dim" if dim else "none")
    document.markup, document.parsed = text, _parser().parse(text)
    for token in document.parsed:
        for child in token.children or []:
            if child.type == "softbreak":
                child.type = "hardbreak"
    return document


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"])
    parser.inline.ruler.before("escape", "maths", _maths)
    return parser


def _maths(state: StateInline, silent: bool) -> bool:
    found = _MATHS.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.pending += found[0]
    state.pos = found.end()
    return True
