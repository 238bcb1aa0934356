"""The key that request states and the ids of sessions are signed with."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from anyio import to_thread

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.file_locks import folder_lock
from seedance_mcp.setting_values import MIN_KEY_BYTES
from seedance_mcp.text import quoted

from ._json_files import read_json, write_json

KEY_FILE = "request-state-key.json"
"""Where the key is in the state folder, unless the user has set one."""


@dataclass(frozen=True, repr=False)
class StateKey:
    """The key: the user's, else one in the state folder that is made when needed.

    Every server that shares the folder has the same one. An error begins with what is impossible
    without the key.
    """

    _folder: Path
    _given: str | None
    _consequence: str = "The user cannot be asked whether to buy this clip"

    async def read(self) -> bytes | None:
        """Return the key, None if there is none yet.

        Raises:
            ConfigurationError: Its file cannot be read, or is damaged.
        """
        return await to_thread.run_sync(self.read_now)

    async def read_or_make(self) -> bytes:
        """Return the key, after making it if there is none yet; raises as `read`."""
        return await to_thread.run_sync(self._read_or_make)

    def read_now(self) -> bytes | None:
        """Return the same, for a thread that may wait for a disk."""
        if self._given is not None:
            return self._given.encode("utf-8", "surrogatepass")
        file = self._folder / KEY_FILE
        try:
            return _to_key(read_json(file))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(f"cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise self._unusable("is damaged") from error

    def _read_or_make(self) -> bytes:
        if key := self.read_now():
            return key
        file, folder = self._folder / KEY_FILE, self._folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with folder_lock(folder):
                # Another process may have made it meanwhile.
                if (key := self.read_now()) is None:
                    write_json(file, {"key": secrets.token_hex(MIN_KEY_BYTES)}, mode=0o600)
        except OSError as error:
            raise self._unusable(f"cannot be written: {error.strerror}") from error
        if key := key or self.read_now():
            return key
        raise self._unusable("is gone")

    def _unusable(self, why: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._consequence}: the key file {quoted(str(self._folder / KEY_FILE), 200)} {why}."
            " Delete it, and a new one is made, or set SEEDANCE_STATE_KEY."
        )


def _to_key(read: Any) -> bytes:
    """Return the key in a file, which is one of ours, or raise ValueError."""
    written = cast("dict[str, Any]", read).get("key") if isinstance(read, dict) else None
    key = bytes.fromhex(written) if isinstance(written, str) else b""
    if len(key) != MIN_KEY_BYTES:
        raise ValueError("no key")
    return key
