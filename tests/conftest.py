"""Options and fixtures for every test."""

from typing import Any

import pytest

from .support.virtual_time import VirtualTimeLoop


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--search",
        type=int,
        metavar="EXAMPLES",
        help="how many random histories to search for a job lost or paid twice",
    )


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Return the backend of async tests: asyncio, on a virtual clock if the test is marked so."""
    virtual = request.node.get_closest_marker("virtual_time")
    return "asyncio", {"loop_factory": VirtualTimeLoop} if virtual else {}
