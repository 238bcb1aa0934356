"""LM Studio.

- File: mcp.json in its home folder (lmstudio.ai/docs/app/mcp), which is the one that LMSTUDIO_HOME
  or the file ~/.lmstudio-home-pointer names, else ~/.cache/lm-studio if that is there, else
  ~/.lmstudio (source: findLMStudioHome.ts in lmstudio-ai/lmstudio-js).
- Form: as Cursor's; it deletes keys that it doesn't know from the file, such as `timeout`
  (lmstudio-bug-tracker issue 727), and no reference is known to be resolved.
- Time limit: 60 s for a call (the same issue), so the server's own 45 s stay.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from seedance_mcp.cli.install.client import Client
from seedance_mcp.cli.install.machine import Machine, is_there

from ._entries import stdio, under
from ._traces import found_by

_FILE = "mcp.json"
_MAX_PATH_BYTES = 4096


def _home(machine: Machine) -> Path:
    if folder := machine.folder("LMSTUDIO_HOME"):
        return folder
    pointer = machine.home / ".lmstudio-home-pointer"
    with suppress(OSError, ValueError), pointer.open("rb") as file:
        named = Path(file.read(_MAX_PATH_BYTES).decode().strip())
        if named.is_absolute():
            return named
    older = machine.home / ".cache" / "lm-studio"
    return older if is_there(older) else machine.home / ".lmstudio"


def _files(machine: Machine) -> Sequence[Path]:
    return [_home(machine) / _FILE]


CLIENT = Client(
    id="lm-studio",
    title="LM Studio",
    form="json",
    keys=under("mcpServers"),
    files=_files,
    found=found_by(_files, apps=["LM Studio"], programs=["lms"]),
    entry=stdio,
    next_step="Switch seedance on under Integrations in a chat of LM Studio, whose model must be"
    " able to call tools.",
)
