"""Where a client acts: the simulator, the stand-in model, a server's settings and a home."""

import json
import os
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from conformance.common import ROOT, SEEDANCE_MCP, refusing_url, settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running

from .stand_in.server import StandIn, stand_in_model

INSTALLED = ROOT / ".clients"
NODE = INSTALLED / "node" / "node_modules"
IMAGE = ROOT / "src" / "seedance_mcp" / "simulator" / "sample_images" / "lake.jpg"
CLIP = {"prompt": "Mist drifts over the lake.", "first_frame_image_url": str(IMAGE)}
PROMPT = f"Animate {IMAGE}: mist drifts over the lake. Save the clip."

QUEUE_SECONDS, RUN_SECONDS = 2.0, 10.0
"""Together longer than the limit of five seconds that OpenAI's Agents SDK sets a call."""


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """How a client is run.

    Attributes:
        command: Its command.
        env: Its own settings.
        files: Its configuration: texts by their paths in its home.
    """

    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[str, str] = field(default_factory=dict[str, str])

    def write_files(self, home: Path) -> None:
        """Write the configuration."""
        for path, text in self.files.items():
            target = home / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a client needs, and what it left behind.

    Attributes:
        home: The home folder of the client, which is also its working directory.
        simulator: RunComfy.
        model: The model.
        server_env: The environment of the server.
        nowhere: The URL of a proxy that refuses every connection.
    """

    home: Path
    simulator: Simulator
    model: StandIn
    server_env: Mapping[str, str]
    nowhere: str

    @property
    def server(self) -> dict[str, object]:
        """Return the definition of the server as most clients write it."""
        return {"command": SEEDANCE_MCP, "args": [], "env": dict(self.server_env)}

    @property
    def task(self) -> str:
        """Return the task of a driver, as JSON."""
        return json.dumps(
            {
                "command": SEEDANCE_MCP,
                "env": dict(self.server_env),
                "model_url": self.model.url,
                "prompt": PROMPT,
            }
        )

    @property
    def client_env(self) -> dict[str, str]:
        """Return the environment of a client, which reaches this machine only and has no key."""
        path = os.pathsep.join([str(NODE / ".bin"), os.environ["PATH"]])
        kept = {name: os.environ[name] for name in ("LANG", "LC_ALL") if name in os.environ}
        # Some would ask for updates, plugins or lists of models.
        proxies = {"HTTPS_PROXY": self.nowhere, "HTTP_PROXY": self.nowhere, "NO_PROXY": "127.0.0.1"}
        return kept | proxies | {"PATH": path, "HOME": str(self.home)}

    def paid(self) -> int:
        """Return how many paid requests reached RunComfy."""
        return sum(request.route == "submit" for request in self.simulator.requests)

    def clips(self) -> int:
        """Return how many files the server saved that are MP4s by their first bytes."""
        files = (self.home / "clips").glob("*.mp4")
        return sum(file.read_bytes()[4:8] == b"ftyp" for file in files)


@asynccontextmanager
async def opened_scene(server_env: Mapping[str, str]) -> AsyncGenerator[Scene]:
    """Open a scene, with these settings of the server."""
    behaviour = Behaviour(queue_seconds=QUEUE_SECONDS, run_seconds=RUN_SECONDS, render="eager")
    with (
        tempfile.TemporaryDirectory() as folder,
        stand_in_model(CLIP) as model,
        refusing_url() as nowhere,
    ):
        async with running(behaviour) as simulator:
            ours = settings(str(Path(folder, "state")), simulator.url)
            ours |= {"RUNCOMFY_API_TOKEN": simulator.token, "HOME": folder}
            ours |= {"SEEDANCE_OUTPUT_DIR": str(Path(folder, "clips")), **server_env}
            yield Scene(
                home=Path(folder),
                simulator=simulator,
                model=model,
                server_env=ours | {"PATH": os.environ["PATH"]},
                nowhere=nowhere,
            )
