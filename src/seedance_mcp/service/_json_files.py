"""Small JSON files in the state folder, each written whole or not at all."""

import json
from pathlib import Path
from typing import Any

from seedance_mcp.file_locks import replacing

MAX_FILE_BYTES = 2 * 1024 * 1024


def read_json(path: Path) -> Any:
    """Return the JSON of a file.

    Raises:
        OSError: It cannot be read.
        ValueError: It is no JSON, or longer than `MAX_FILE_BYTES`.
    """
    # A named pipe would be waited for.
    if not path.is_file():
        raise FileNotFoundError("it is not a file")
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError("it is too long")
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def write_json(path: Path, value: Any, *, mode: int = 0o666) -> None:
    """Write a file in a folder that is made if need be; a crash leaves the old one or the new one.

    A new file has the permissions `mode`, less what the user's umask takes away.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(path, mode=mode) as file:
        file.write(json.dumps(value, indent=2).encode())
