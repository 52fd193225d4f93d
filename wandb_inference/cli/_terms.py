"""What the library advises, in the terms of the command line."""

from __future__ import annotations

from typing import Final

_TERMS: Final = (
    ("Pass api_key=..., set WANDB_API_KEY", "Set WANDB_API_KEY"),
    ('Pass project="team/project", set', "Give --project team/project, set"),
    ('(project="" sends none,', '(--project "" sends none,'),
    ("`client.models.list()` shows", "`wandb-inference models` shows"),
    (" If the service has it after all, give check_model=False.", ""),
    ("; where that is wrong, check_context=False sends it as it is.", "."),
    (", or set the conversation's .window.", "."),
    ("; extra_query adds parameters.", "."),
    ("The key is api_key; other headers are default_headers.", "The key is WANDB_API_KEY."),
)
"""What advice says to somebody who writes Python, and what it says to somebody who types."""


def in_terms_of_commands(text: str) -> str:
    """A message of the library, with options and commands where it names arguments and methods."""
    for of_python, of_commands in _TERMS:
        text = text.replace(of_python, of_commands)
    return text
