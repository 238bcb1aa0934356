"""The wheel and the sdist that `make dist` left, and environments that have nothing else."""

import tarfile
from pathlib import Path

import pytest

from .environments import ROOT, Environment


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--whole-suite",
        action="store_true",
        help="run every test of the package beside the installed wheel, not only the telling ones",
    )


@pytest.fixture(scope="session")
def wheel() -> Path:
    """Return the wheel, which `make dist` builds from the sdist."""
    (path,) = (ROOT / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="session")
def sdist() -> Path:
    (path,) = (ROOT / "dist").glob("*.tar.gz")
    return path


@pytest.fixture(scope="session")
def sources(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in the sdist."""
    folder = tmp_path_factory.mktemp("sources")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="session", params=["wheel", "sdist"])
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """Return an environment with a package and what it requires, without an extra."""
    environment = Environment(tmp_path_factory.mktemp("environment"))
    package: Path = request.getfixturevalue(request.param)
    environment.install(str(package))
    return environment


@pytest.fixture(scope="session")
def complete(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment with the wheel, PyAV and what the tests need."""
    environment = Environment(tmp_path_factory.mktemp("environment"))
    environment.install(f"{wheel}[video,postgres,observability]", "--group", "dev")
    return environment


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
