"""Descriptions from docstrings in the three styles; the model gets the function's own text, not the sections."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import Field

from agentkit.schema import function_schema


def google(city: str, unit: str = "c", **options: str) -> str:
    """Weather of a city.

    It is measured, not forecast:
    every ten minutes.

    Args:
        city (str): The city's name,
            in English.
        unit: c or f: the unit.
        **options: More.

    Returns:
        str: a text.

    Raises:
        ValueError: never.
    """
    return city


def numpy(city: str, unit: str = "c", **options: str) -> str:
    """Weather of a city.

    It is measured, not forecast:
    every ten minutes.

    Parameters
    ----------
    city : str
        The city's name,
        in English.
    unit : str, optional
        c or f: the unit.
    **options : str
        More.

    Returns
    -------
    str
        A text.
    """
    return city


def sphinx(city: str, unit: str = "c", **options: str) -> str:
    """Weather of a city.

    It is measured, not forecast:
    every ten minutes.

    :param city: The city's name,
        in English.
    :type city: str
    :param str unit: c or f: the unit.
    :param options: More.
    :returns: a text
    :raises ValueError: never
    """
    return city


def definition(function: Callable[..., Any]) -> tuple[str, dict[str, Any]]:
    schema = function_schema(function, is_context=lambda annotation: False)
    return schema.description, schema.parameters["properties"]


@pytest.mark.parametrize("function", [google, numpy, sphinx])
def test_a_docstring_describes_the_function_and_its_parameters(function: Callable[..., Any]) -> None:
    assert definition(function) == (
        "Weather of a city.\n\nIt is measured, not forecast:\nevery ten minutes.",
        {
            "city": {"type": "string", "description": "The city's name, in English."},
            "unit": {"type": "string", "description": "c or f: the unit.", "default": "c"},
        },
    )


def test_several_parameters_in_one_numpy_line_share_the_text() -> None:
    def move(x: int, y: int) -> None:
        """Moves.

        Parameters
        ----------
        x, y : int
            Where to.
        """

    assert definition(move)[1] == {
        "x": {"type": "integer", "description": "Where to."},
        "y": {"type": "integer", "description": "Where to."},
    }


def test_the_annotation_s_own_text_wins_over_the_docstring() -> None:
    def look(a: Annotated[int, "own"], b: Annotated[int, Field(description="field")], c: int = Field(1, ge=0)) -> None:
        """Looks.

        Args:
            a: docstring
            b: docstring
            c: docstring
        """

    assert definition(look)[1] == {
        "a": {"type": "integer", "description": "own"},
        "b": {"type": "integer", "description": "field"},
        "c": {"type": "integer", "minimum": 0, "default": 1, "description": "docstring"},
    }


@pytest.mark.parametrize(
    "text", ["One line.", "A heading: Args: x\n\n    code\n\nand more.", "Steps:\n- one\n- two", "Args:\nno indent"]
)
def test_a_docstring_without_sections_is_all_description(text: str) -> None:
    def function() -> None: ...

    function.__doc__ = text
    assert definition(function) == (text, {})


def test_a_function_without_docstring_has_an_empty_description() -> None:
    def function() -> None: ...

    assert definition(function) == ("", {})
