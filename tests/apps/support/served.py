"""The server over HTTP as a process, with the simulator behind it, for hosts that others made."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.common import SEEDANCE_MCP, settings, started, without_settings
from conformance.inspector import TOKEN, image_url, simulator

RUN_SECONDS = 4.0
"""How long a clip takes to make: longer than the first poll of the page."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """A server.

    Attributes:
        url: Where it answers MCP.
        arguments: Those of a clip that it can make.
    """

    url: str
    arguments: dict[str, Any]


@contextmanager
def served(folder: Path, *origins: str) -> Generator[Served]:
    """Run a server for pages of some origins as long as the context lasts."""
    with simulator(str(folder), RUN_SECONDS) as simulated, image_url() as image:
        own = {"RUNCOMFY_API_TOKEN": TOKEN, "SEEDANCE_ALLOW_PRIVATE_URLS": "true"}
        env = without_settings(os.environ) | settings(str(folder), simulated) | own
        command = [SEEDANCE_MCP, "serve", "--transport", "http", "--port", "0"]
        command += [part for origin in origins for part in ("--allowed-origin", origin)]
        with started(command, env=env, log=folder / "server.log") as url:
            arguments = {
                "prompt": "The mist drifts over the lake.",
                "first_frame_image_url": image,
                "wait_seconds": 0,
            }
            yield Served(url=url, arguments=arguments)
