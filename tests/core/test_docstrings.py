"""Docstrings: what a function does, and what each parameter means."""

from __future__ import annotations

import pytest

from wandb_inference._core.docstrings import read_docstring

GOOGLE = """Says the weather.

    It asks a service.
    Note: the service is slow.

    Args:
        city: The city,
            in English: "Oslo".

            Never a country.
        days (Optional[Callable[[int], str]], optional): How many.
        *rest (int): The rest.
        unit:
            What it is measured in.
        silent:

    Returns:
        city: Not a parameter.

    Raises:
        ValueError: No such city.
    """

NUMPY = """
    Says the weather.

    It asks a service.

    Parameters
    ----------
    city : str
        The city,
        in English.

        Never a country.
    days, hours : int, optional
        How many.
    unit
        What it is measured in.
    : nothing
        Said of nobody.
    silent : bool

    Returns
    -------
    city : str
        Not a parameter.
    """

SPHINX = """Says the weather.

    It asks a service.

    :param city: The city,
        in English.

        Never a country.
    :param Optional[int] days: How many.
    :type days: int
    @param unit: What it is measured in.
    :param silent:
    :param: Said of nobody.
    :returns: city: Not a parameter.
    :raises ValueError: No such city.

    Prose that ends the last field.
    """


def test_google() -> None:
    """Sections of Google's style: types in brackets, lines that go on, and a note that is no section."""
    said = read_docstring(GOOGLE)

    assert said.description == "Says the weather.\n\nIt asks a service.\nNote: the service is slow."
    assert said.parameters == {
        "city": 'The city, in English: "Oslo". Never a country.',
        "days": "How many.",
        "rest": "The rest.",
        "unit": "What it is measured in.",
    }


def test_numpy() -> None:
    """Sections of NumPy's style: types after a colon, several names at once."""
    said = read_docstring(NUMPY)

    assert said.description == "Says the weather.\n\nIt asks a service."
    assert said.parameters == {
        "city": "The city, in English. Never a country.",
        "days": "How many.",
        "hours": "How many.",
        "unit": "What it is measured in.",
    }


def test_sphinx() -> None:
    """Fields of Sphinx's style, and epydoc's mark: types before the name, lines that go on."""
    said = read_docstring(SPHINX)

    assert said.description == "Says the weather.\n\nIt asks a service."
    assert said.parameters == {
        "city": "The city, in English. Never a country.",
        "days": "How many.",
        "unit": "What it is measured in.",
    }


@pytest.mark.parametrize("heading", ["Args", "Arguments", "Parameters", "Params", "Keyword Args", "Other Parameters"])
def test_headings(heading: str) -> None:
    """Whatever the section is called that tells the parameters."""
    assert read_docstring(f"A.\n\n{heading}:\n  x: An x.").parameters == {"x": "An x."}
    assert read_docstring(f"A.\n\n{heading}\n=======\nx : int\n  An x.").parameters == {"x": "An x."}


@pytest.mark.parametrize(
    ("text", "description"),
    [
        (None, ""),
        ("", ""),
        ("   \n  ", ""),
        ("One line.", "One line."),
        ("Args:", "Args:"),
        ("It.\n\nIt does this:\n    x: none", "It.\n\nIt does this:\n    x: none"),
        ("Args:\nnot indented: so no section", "Args:\nnot indented: so no section"),
        ("A.\n\nExample:\n    >>> f()\n", "A."),
        ("A.\n\nNotes\n-----\nLong.", "A."),
        ("A table:\n\n---\n", "A table:\n\n---"),
        ("A.\n\nArgs:\n    no colon here\n", "A."),
    ],
)
def test_without_parameters(text: str | None, description: str) -> None:
    """Docstrings that tell of no parameters, or look as if they did."""
    assert read_docstring(text) == (description, {})


def test_text_after_a_section() -> None:
    """What is not indented any more belongs to no parameter."""
    said = read_docstring("A.\n\nArgs:\n    x: An x.\nIt is prose: again.\n    y: no parameter")

    assert said.parameters == {"x": "An x."}
    assert read_docstring("A.\n\n:param x: An x.\nIt is prose again.").parameters == {"x": "An x."}


def test_first_description_counts() -> None:
    """A parameter that is described twice has the first description."""
    assert read_docstring(":param x: One.\n:param x: Two.").parameters == {"x": "One."}
