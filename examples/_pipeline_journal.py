"""The rows of `pipeline.py`, and its journal: what is known of each row, on disk."""

import csv
import hashlib
import io
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

OURS = {"wait_seconds", "force_new", "dry_run"}
"""The arguments of `generate_video` that are not for a CSV."""


class WrongTable(Exception):
    """The CSV cannot be read, or not as it was meant."""


class Row(NamedTuple):
    """A row of the CSV.

    Attributes:
        line: Where it is in the CSV.
        arguments: Those of `generate_video`.
        content: What it asks for: the same for equal rows, also where equal images have other
            names.
        key: The same in every run, and different for equal rows.
    """

    line: int
    arguments: dict[str, str]
    content: str
    key: str


def read_rows(folder: Path, table: Path) -> list[Row]:
    """Return the rows of a CSV whose images are in a folder.

    Raises:
        WrongTable: It cannot be read, or not as it was meant.
    """
    rows: list[Row] = []
    times = Counter[str]()
    digest = cache(_digest)
    try:
        for line, arguments in _read_cells(table.read_text("utf-8-sig")):
            asked = dict(arguments)
            for name, value in asked.items():
                if name.endswith("image_url") and "://" not in value:
                    arguments[name] = str(folder / value)
                    arguments[name].encode()
                    asked[name] = digest(folder / value)
            content = json.dumps(asked, sort_keys=True)
            rows.append(Row(line, arguments, content, f"{times[content]} {content}"))
            times[content] += 1
    except UnicodeEncodeError as error:
        raise WrongTable(f"{folder}: its name is not UTF-8, which no message can carry.") from error
    except UnicodeDecodeError as error:
        raise WrongTable(f"{table}: it is not UTF-8; save it as CSV in UTF-8.") from error
    except (OSError, csv.Error, WrongTable) as error:
        raise WrongTable(f"{table}: {getattr(error, 'strerror', None) or error}") from error
    return rows


def _read_cells(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line of each row, and its cells that are not empty, by the name of an argument."""
    # Where a comma is part of a number, spreadsheets write semicolons.
    separator = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True, skipinitialspace=True)
    names = [name.strip() for name in next(reader, list[str]())]
    names = ["first_frame_image_url" if name == "image" else name for name in names]
    for name, count in Counter(names).items():
        if name in OURS or (name and count > 1):
            raise WrongTable(f"it may not have the column {name}, or not twice.")
    for cells in reader:
        if any(cells[len(names) :]):
            raise WrongTable(
                f"line {reader.line_num} has more cells than the first line. "
                f'A text with "{separator}" in it has to be in double quotes.'
            )
        row = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name}
        if row := {name: cell for name, cell in row.items() if cell}:
            yield reader.line_num, row


def _digest(image: Path) -> str:
    """Return what is equal for equal images; the server says what is wrong with one that is not."""
    try:
        return hashlib.sha256(image.read_bytes()).hexdigest() if image.is_file() else str(image)
    except OSError:
        return str(image)


class Entry(NamedTuple):
    """What is known of a row."""

    begun_at: float | None = None
    request_id: str | None = None
    saved_to: str | None = None
    problem: str | None = None


class Journal:
    """What is known of each row, on disk before the next step is taken.

    | last entry   | what is certain                   | what a new run does                   |
    |--------------|-----------------------------------|---------------------------------------|
    | none         | nothing was bought                | buys the clip                         |
    | `begun_at`   | the paid call may have been made  | repeats it, and gets its own job back |
    | `request_id` | this job was bought for this row  | waits for that job                    |
    | `saved_to`   | the clip was saved                | nothing, while the file is there      |
    | `problem`    | the job failed, or may be lost    | nothing; `--again` buys another       |

    The server gives a repeated call its job back until a later call has named the `request_id`.
    That is written here first, so the process may be killed at any time. SQLite locks the file
    until it ends, since two pipelines would take the same jobs for theirs.
    """

    def __init__(self, path: Path) -> None:
        """Open the journal, and lock it.

        Raises:
            sqlite3.Error: Another process has it, or it cannot be written.
        """
        self._folder = path.parent
        self._db = sqlite3.connect(path, timeout=0, isolation_level=None)
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS clips (row TEXT PRIMARY KEY, begun_at REAL,"
            " request_id TEXT UNIQUE, saved_to TEXT, problem TEXT)"
        )
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the journal, which unlocks it."""
        self._db.close()

    def find(self, row: Row) -> Entry:
        """Return what is known of a row."""
        query = "SELECT begun_at, request_id, saved_to, problem FROM clips WHERE row = ?"
        entry = Entry(*(self._db.execute(query, (row.key,)).fetchone() or ()))
        return entry._replace(saved_to=entry.saved_to and str(self._folder / entry.saved_to))

    def begin(self, row: Row) -> None:
        """Write that the paid call is about to be made; if it was before, that time is kept."""
        values = row.key, time.time()
        self._db.execute("INSERT OR IGNORE INTO clips (row, begun_at) VALUES (?, ?)", values)

    def forget(self, row: Row) -> None:
        """Write that nothing was bought, or that another clip is wanted."""
        self._db.execute("DELETE FROM clips WHERE row = ?", (row.key,))

    def claim(self, row: Row, request_id: str) -> bool:
        """Write which job was bought for a row; return False if it is that of another row."""
        query = "UPDATE OR IGNORE clips SET request_id = ? WHERE row = ?"
        return self._db.execute(query, (request_id, row.key)).rowcount == 1

    def save(self, row: Row, path: str) -> None:
        """Write where the clip is, from the folder on, which may be moved."""
        if Path(path).is_relative_to(self._folder):
            path = str(Path(path).relative_to(self._folder))
        self._db.execute("UPDATE clips SET saved_to = ? WHERE row = ?", (path, row.key))

    def fail(self, row: Row, problem: str) -> None:
        """Write why there will be no clip."""
        self._db.execute("UPDATE clips SET problem = ? WHERE row = ?", (problem, row.key))

    def request_ids(self) -> set[str]:
        """Return the jobs of all rows, also of those that are no longer in the CSV."""
        return {found for (found,) in self._db.execute("SELECT request_id FROM clips")}
