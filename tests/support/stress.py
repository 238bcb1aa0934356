"""Cases of a test of which most belong to the stress run."""

from collections.abc import Iterable
from typing import Any, cast

import pytest


def some(cases: Iterable[Any], *, every: int) -> list[Any]:
    """Return the cases of a test, each a value or a tuple, as parameters of pytest.

    Every nth one, from the first, always runs. The others are of the stress run, since a server for
    each of them takes too long.
    """
    parameters: list[Any] = []
    for number, case in enumerate(cases):
        values = cast("tuple[Any, ...]", case if isinstance(case, tuple) else (case,))
        marks = [pytest.mark.stress] if number % every else []
        parameters.append(pytest.param(*values, marks=marks))
    return parameters
