"""The ledger of real servers as a test finds it: in SQLite or in PostgreSQL."""

import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

from .postgres import PostgresServer

_PROMPT = "arguments::json ->> 'prompt'"


class ServedLedger(ABC):
    """A ledger that servers use meanwhile.

    Attributes:
        folder: The home of its servers, in which `state` is their state folder.
        database_url: The URL of its database in PostgreSQL, None if it is in the state folder.
    """

    folder: Path
    database_url: str | None = None

    @property
    def variables(self) -> dict[str, str]:
        """What its servers have in their environment for it."""
        return {"SEEDANCE_DATABASE_URL": self.database_url} if self.database_url else {}

    @abstractmethod
    def exists(self) -> bool:
        """Return whether a server has begun to make it."""

    @abstractmethod
    def status(self, prompt: str) -> str | None:
        """Return the status of the job with a prompt, None if there is none."""

    @abstractmethod
    def status_left(self, prompt: str) -> str | None:
        """Return the same for a server that was killed, without undoing what it left undone."""

    @abstractmethod
    def jobs(self) -> list[tuple[str, str | None, str]]:
        """Return prompt, request_id and ISO time of creation of each job, the first one first."""

    @abstractmethod
    def ends(self) -> list[tuple[str | None, str, str | None]]:
        """Return request_id, status and first video of each job."""

    @abstractmethod
    def lock(self) -> AbstractContextManager[None]:
        """Keep every server from writing."""

    @abstractmethod
    def begin_again(self) -> None:
        """Empty it under the servers that run."""

    @abstractmethod
    def find_damage(self) -> list[Any]:
        """Return what the database finds wrong with itself."""

    @abstractmethod
    def end_lease(self, pid: int) -> None:
        """Let a killed server count as dead at once."""


class SqliteFile(ServedLedger):
    """The file in a state folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self._path = folder / "state" / "ledger.db"
        self._copy = folder / "copy"

    def exists(self) -> bool:
        return self._path.exists()

    def status(self, prompt: str) -> str | None:
        return self._status(self._path, prompt)

    def status_left(self, prompt: str) -> str | None:
        # Opening the ledger itself would roll back what the server left undone.
        shutil.rmtree(self._copy, ignore_errors=True)
        self._copy.mkdir()
        for file in self._path.parent.glob("ledger.db*"):
            shutil.copy(file, self._copy)
        return self._status(self._copy / "ledger.db", prompt)

    def jobs(self) -> list[tuple[str, str | None, str]]:
        query = (
            "SELECT json_extract(arguments, '$.prompt'), request_id, created_at FROM jobs"
            " ORDER BY created_at"
        )
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(query).fetchall()

    def ends(self) -> list[tuple[str | None, str, str | None]]:
        if not self._path.exists():
            return []
        query = "SELECT request_id, status, json_extract(videos, '$[0]') FROM jobs"
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute(query).fetchall()

    @contextmanager
    def lock(self) -> Generator[None, None, None]:
        with closing(sqlite3.connect(self._path, timeout=5)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield

    def begin_again(self) -> None:
        # The running servers make a new one, as those on a new folder do.
        for file in self._path.parent.glob("ledger.db*"):
            file.unlink()

    def find_damage(self) -> list[Any]:
        with closing(sqlite3.connect(self._path)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchall()
        return [line for line in found if line != ("ok",)]

    def end_lease(self, pid: int) -> None:
        pass  # the system has released its lock

    @staticmethod
    def _status(path: Path, prompt: str) -> str | None:
        query = "SELECT status FROM jobs WHERE json_extract(arguments, '$.prompt') = ?"
        with closing(sqlite3.connect(path)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
                return None
            row = connection.execute(query, (prompt,)).fetchone()
        return row[0] if row else None


class PostgresDatabase(ServedLedger):
    """A database, which no test but this one uses."""

    def __init__(self, folder: Path, server: PostgresServer, url: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.server = server
        self.database_url = url
        self._url = url

    def exists(self) -> bool:
        return self._rows("SELECT to_regclass('seedance.jobs')") != [(None,)]

    def status(self, prompt: str) -> str | None:
        if not self.exists():
            return None
        query = f"SELECT status FROM seedance.jobs WHERE {_PROMPT} = %s"
        return next((status for (status,) in self._rows(query, prompt)), None)

    def status_left(self, prompt: str) -> str | None:
        return self.status(prompt)

    def jobs(self) -> list[tuple[str, str | None, str]]:
        rows = self._rows(
            f"SELECT {_PROMPT}, request_id, created_at FROM seedance.jobs ORDER BY created_at"
        )
        return [(prompt, request_id, at.isoformat()) for prompt, request_id, at in rows]

    def ends(self) -> list[tuple[str | None, str, str | None]]:
        if not self.exists():
            return []
        return self._rows("SELECT request_id, status, videos::json ->> 0 FROM seedance.jobs")

    @contextmanager
    def lock(self) -> Generator[None, None, None]:
        from seedance_mcp.ledger.postgres._session import WRITERS_LOCK

        with self._connect() as connection, connection.transaction():
            connection.execute(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")
            yield

    def begin_again(self) -> None:
        self._rows("TRUNCATE seedance.jobs CASCADE")

    def find_damage(self) -> list[Any]:
        return self._rows(
            "SELECT id FROM seedance.jobs WHERE id NOT IN (SELECT job FROM seedance.events)"
        )

    def end_lease(self, pid: int) -> None:
        self._rows(f"DELETE FROM seedance.processes WHERE strpos(process, '-{pid}-') > 0")

    def _rows(self, query: Any, *values: Any) -> list[Any]:
        with self._connect() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def _connect(self) -> Any:
        from psycopg import connect

        return connect(self._url, autocommit=True)


NewLedger = Callable[[str], AbstractContextManager[ServedLedger]]
"""Yields a ledger that has not been made yet, by a name of its own."""


@contextmanager
def sqlite_ledgers(base: Path, name: str) -> Generator[ServedLedger, None, None]:
    """Yield the ledger of a state folder."""
    yield SqliteFile(base / name)


@contextmanager
def postgres_ledgers(
    server: PostgresServer, base: Path, name: str
) -> Generator[ServedLedger, None, None]:
    """Yield the ledger of a new database."""
    with server.database() as url:
        yield PostgresDatabase(base / name, server, url)
