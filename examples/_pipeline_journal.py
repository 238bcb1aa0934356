"""The rows of `pipeline.py`, and its journal: what is known of each row, on disk."""

import csv
import hashlib
import json
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple


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
    """Return the rows of a CSV whose images are in a folder."""
    rows: list[Row] = []
    times = Counter[str]()
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        for cells in reader:
            arguments = {name: value for name, value in cells.items() if name and value}
            if image := arguments.pop("image", None):
                arguments["first_frame_image_url"] = image
            asked = dict(arguments)
            for name, value in asked.items():
                if name.endswith("image_url") and "://" not in value:
                    arguments[name] = str(folder / value)
                    asked[name] = _digest(folder / value)
            content = json.dumps(asked, sort_keys=True)
            rows.append(Row(reader.line_num, arguments, content, f"{times[content]} {content}"))
            times[content] += 1
    return rows


def _digest(image: Path) -> str:
    """Return what is equal for equal images; the server says what is wrong with one that is not."""
    return hashlib.sha256(image.read_bytes()).hexdigest() if image.is_file() else str(image)


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
        return Entry(*(self._db.execute(query, (row.key,)).fetchone() or ()))

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
        """Write where the clip is."""
        self._db.execute("UPDATE clips SET saved_to = ? WHERE row = ?", (path, row.key))

    def fail(self, row: Row, problem: str) -> None:
        """Write why there will be no clip."""
        self._db.execute("UPDATE clips SET problem = ? WHERE row = ?", (problem, row.key))

    def request_ids(self) -> set[str]:
        """Return the jobs of all rows, also of those that are no longer in the CSV."""
        return {found for (found,) in self._db.execute("SELECT request_id FROM clips")}
