"""Options and fixtures for every test."""

import gc
import os
import signal
import sys
from collections.abc import Generator
from functools import partial
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import none

from seedance_mcp.text import valid

from .support.postgres import PostgresServer, why_not
from .support.served_ledger import NewLedger, ServedLedger, postgres_ledgers, sqlite_ledgers
from .support.server_process import FreshServers, Servers
from .support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from .support.fork_server import ForkServer


ROOT = Path(__file__).parent.parent
BESIDE = {"packages": "test_packages.py", "docs": "test_docs*.py", "clients": "examples/*.py"}
"""Tests of scripts of the repository, by the folder of those, which is not beside the package."""
collect_ignore_glob = [test for folder, test in BESIDE.items() if not (ROOT / folder).is_dir()]

CASES_APART = 6
"""Of many cases of a test, every one in so many is of every run, from the first."""

MANY_CASES = (
    *("tests/end_to_end/", "tests/processes/test_stdio.py"),
    *("tests/runcomfy/test_http.py", "tests/test_http_heads.py"),
)
"""Where many cases of a test take long, since each starts a server or decodes megabytes."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--search",
        type=int,
        metavar="EXAMPLES",
        help="how many random histories to search for a job lost or paid twice",
    )
    parser.addoption(
        "--rounds",
        type=int,
        default=1,
        metavar="ROUNDS",
        help="how many times servers race, are killed at each point, and are given up 20 calls;"
        " with more than one, properties get 500 examples",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most cases of a test with many of them to the stress run, where they take long."""
    for test, cases in groupby(items, lambda item: item.nodeid.partition("[")[0]):
        if test.startswith(MANY_CASES):
            numbered = list(enumerate(cases))
            for number, case in numbered:
                if number % CASES_APART and len(numbered) > CASES_APART:
                    case.add_marker(pytest.mark.stress)


@given(none())
def _first_example(_: None) -> None:
    pass


def pytest_collection_finish() -> None:
    """Leave the tests themselves out of what is searched for cycles."""
    # Hypothesis makes its random generator for the first example, and warns unless the garbage
    # collector can see what refers to it.
    _first_example()
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Let an example of Hypothesis take as long as a busy machine needs."""
    examples = 500 if int(config.getoption("rounds") or 1) > 1 else 50
    settings.register_profile("any machine", deadline=None, max_examples=examples)
    settings.load_profile("any machine")
    # A worker holds so much that looking for cycles would take a tenth of its time.
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def rounds(request: pytest.FixtureRequest) -> int:
    """Return how many times servers race, are killed at each point, and are given up 20 calls."""
    return int(request.config.getoption("rounds") or 0)


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Return the backend of async tests: asyncio, on a virtual clock if the test is marked so."""
    virtual = request.node.get_closest_marker("virtual_time")
    return "asyncio", {"loop_factory": VirtualTimeLoop} if virtual else {}


@pytest.fixture
def image_folder(tmp_path: Path) -> Generator[Path, None, None]:
    """Yield a folder whose path is UTF-8, as that of a local image must be to be sent as JSON."""
    if valid(str(tmp_path)) == str(tmp_path):
        yield tmp_path
    else:
        with TemporaryDirectory(dir=Path(__file__).parent) as folder:
            yield Path(folder)


@pytest.fixture(scope="session", autouse=True)
def default_signals() -> Generator[None, None, None]:
    """Let child processes start with default signal handling, however this process was started.

    A shell starts background jobs with SIGINT and SIGQUIT ignored, `nohup` with SIGHUP ignored,
    and children inherit what is ignored. A handler of ours they do not inherit.
    """
    numbers = {signal.SIGINT, signal.SIGTERM}
    if sys.platform != "win32":
        numbers |= {signal.SIGHUP, signal.SIGQUIT}
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    ignored = {number for number in numbers if signal.getsignal(number) is signal.SIG_IGN}
    for number in ignored:
        signal.signal(number, _ignore)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def _ignore(number: int, frame: object) -> None:
    """Ignore a signal in this process only."""


@pytest.fixture(scope="session")
def session_fork_server(
    tmp_path_factory: pytest.TempPathFactory,
) -> "Generator[ForkServer, None, None]":
    """Run one fork server for all tests of this worker."""
    from .support.fork_server import run_fork_server

    with run_fork_server(tmp_path_factory.mktemp("fork_server")) as server:
        yield server


@pytest.fixture
def fork_server(session_fork_server: "ForkServer") -> "Generator[ForkServer, None, None]":
    """Yield a fork server, and check that its servers write nothing to stderr."""
    yield session_fork_server
    try:
        assert session_fork_server.stderr.read_text() == ""
    finally:
        session_fork_server.stderr.write_text("")


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    """Return what starts servers: a fork server where that works, otherwise the command line."""
    if sys.platform != "linux":
        return FreshServers()
    server: Servers = request.getfixturevalue("session_fork_server")
    return server


@pytest.fixture(scope="session")
def postgres_server(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Generator[PostgresServer, None, None]:
    """Run one PostgreSQL server for all tests of this worker; a test may stop it and start it.

    Without one the test is skipped, but it fails where CI says that all tests are to run.
    """
    if reason := why_not():
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"NOT TESTED WITH POSTGRESQL: {reason}")
    base = tmp_path_factory.getbasetemp()
    server = PostgresServer(base.parent if hasattr(request.config, "workerinput") else base)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def database_url(postgres_server: PostgresServer) -> Generator[str, None, None]:
    """Yield the URL of a new, empty database of PostgreSQL."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.stress)])
def new_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> NewLedger:
    """Return what makes ledgers for servers, in either database."""
    if request.param == "sqlite":
        return partial(sqlite_ledgers, tmp_path)
    return partial(postgres_ledgers, request.getfixturevalue("postgres_server"), tmp_path)


@pytest.fixture
def ledger_rounds(request: pytest.FixtureRequest, rounds: int) -> int:
    """Return the same for a test of `new_ledger`: fewer in PostgreSQL, where they take longer."""
    in_sqlite = request.node.callspec.params["new_ledger"] == "sqlite"
    return rounds if in_sqlite else 1 + rounds // 3


@pytest.fixture
def ledger(new_ledger: NewLedger) -> Generator[ServedLedger, None, None]:
    """Yield a ledger for servers."""
    with new_ledger("ledger") as made:
        yield made
