"""What every test shares."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--search",
        type=int,
        metavar="EXAMPLES",
        help="how many random histories to search for a job lost or paid twice",
    )


@pytest.fixture
def anyio_backend() -> str:
    """Run async tests on asyncio, which is what serves."""
    return "asyncio"
