"""The demo: a whole clip with no account, made by a real client, a real server and a simulator.

The simulator runs in this process. The server is a subprocess, started with the SDK's stdio client
as an assistant would start it, and knows the simulator as RunComfy.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from secrets import token_hex
from typing import Any, TextIO

from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import CallToolResult, TextContent
from PIL import Image

from seedance_mcp.errors import ConfigurationError, DownloadFailed, SeedanceError
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running

QUEUE_SECONDS = 2.5
RUN_SECONDS = 3.0
TOO_SMALL = (240, 160)
"""Pixels of an image that every model here refuses."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the demo is asked to make; None stands for the model's default.

    Attributes:
        image: The first frame, None for the bundled image.
        last_image: The last frame, None for none.
        prompt: What happens in the clip.
        resolution: Such as "720p".
        duration: Seconds.
        folder: Where the clip is saved.
    """

    image: Path | None = None
    last_image: Path | None = None
    prompt: str = "The mist drifts over the lake while the camera moves slowly in."
    resolution: str | None = None
    duration: int | None = None
    folder: Path


async def demo(wishes: Wishes, out: TextIO) -> Path:
    """Make a clip, telling what happens on the way.

    Args:
        wishes: What to make.
        out: Where to tell it.

    Returns:
        The saved MP4.

    Raises:
        ConfigurationError: An image is not there, or what draws the clips is not installed.
        SeedanceError: The job failed; the message is the tool's own.
    """
    _say(out, "A simulated clip: no account is needed and nothing is charged.\n")
    behaviour = Behaviour(run_seconds=RUN_SECONDS, queue_seconds=QUEUE_SECONDS, render="eager")
    async with running(behaviour, token=token_hex(16)) as simulator:
        _say(out, f"simulator       {simulator.url}, in place of RunComfy")
        arguments = _arguments(wishes)
        async with _server(simulator, wishes.folder) as client:
            _say(out, f"server          a subprocess, MCP {client.protocol_version} over stdio")
            tools = (await client.list_tools()).tools
            _say(out, f"tools           {', '.join(tool.name for tool in tools)}")
            session = _Session(client, out)
            made = await session.make(arguments)
        # Raised in there, the SDK's task groups would wrap the error in a group of errors.
        if isinstance(made, SeedanceError):
            raise made
        _say(out, f"saved           {made} ({made.stat().st_size:,} bytes)\n")
        _say(out, _way(session.calls, simulator))
    return made


class _Session:
    """The calls of one demo, as an agent would make them."""

    def __init__(self, client: Client, out: TextIO) -> None:
        self.calls: list[str] = []
        self._client = client
        self._out = out

    async def make(self, arguments: dict[str, Any]) -> Path | SeedanceError:
        """Make the clip and give its file, or the error that a tool answered."""
        try:
            return await self._made(arguments)
        except SeedanceError as error:
            return error

    async def _made(self, arguments: dict[str, Any]) -> Path:
        await self._refused(arguments)
        answer = await self._call("generate_video", arguments)
        while answer["status"] != "completed":
            answer = await self._call("check_status", {"request_id": answer["request_id"]})
        wanted = {"request_id": answer["request_id"], "download": True}
        result = await self._call("get_result", wanted)
        if not result["saved_to"]:
            raise DownloadFailed(result["next_step"])
        cost = result["cost_usd"]
        _say(self._out, f"cost            {cost} USD, made up by the simulator")
        return Path(result["saved_to"])

    async def _refused(self, arguments: dict[str, Any]) -> None:
        """Show what becomes of an image that breaks a rule of the model."""
        with tempfile.TemporaryDirectory(prefix="seedance-demo-") as folder:
            image = Path(folder) / "too-small.png"
            Image.new("RGB", TOO_SMALL).save(image)
            bad = arguments | {"first_frame_image_url": str(image)}
            result = await self._client.call_tool("generate_video", bad)
        _say(self._out, f"a bad image   refused: {_text(result)}")

    async def _call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        line = _LiveLine(tool, self._out)
        self.calls.append(tool)
        result = await self._client.call_tool(tool, arguments, progress_callback=line.progress)
        if result.is_error:
            line.end("an error")
            raise SeedanceError(_text(result))
        structure: dict[str, Any] = result.structured_content
        line.end(f"{structure['status']}, request_id {structure['request_id']}")
        return structure


class _LiveLine:
    """The progress of one call on one line, or on several where there is no terminal."""

    def __init__(self, name: str, out: TextIO) -> None:
        self._name = name
        self._out = out
        self._live = out.isatty()

    async def progress(
        self,
        progress: float,  # noqa: ARG002 - the SDK calls it by these names
        total: float | None,  # noqa: ARG002 - the service gives none
        message: str | None,
    ) -> None:
        """Show a progress notification."""
        self._show(f"… {message}")

    def end(self, text: str) -> None:
        """Show what the call came to."""
        self._show(text)
        if self._live:
            _say(self._out, "")

    def _show(self, text: str) -> None:
        line = f"{self._name:<15} {text}"
        self._out.write(f"\r\x1b[2K{line}" if self._live else f"{line}\n")
        self._out.flush()


@asynccontextmanager
async def _server(simulator: Simulator, folder: Path) -> AsyncGenerator[Client, None]:
    """Start the server as an assistant would, and connect to it; clips go into the folder."""
    with tempfile.TemporaryDirectory(prefix="seedance-demo-") as state:
        parameters = StdioServerParameters(
            command=sys.executable,
            args=["-m", "seedance_mcp"],
            env={
                "RUNCOMFY_API_TOKEN": simulator.token,
                "RUNCOMFY_API_BASE_URL": simulator.url,
                "SEEDANCE_OUTPUT_DIR": str(folder),
                "SEEDANCE_STATE_DIR": state,
            },
        )
        async with Client(parameters) as client:
            yield client


def _arguments(wishes: Wishes) -> dict[str, Any]:
    """Write the wishes as the tool's arguments; the images are files of this machine."""
    bundled = resources.files("seedance_mcp.simulator") / "sample_images" / "lake.jpg"
    last_image = wishes.last_image and _local(wishes.last_image)
    arguments = {
        "prompt": wishes.prompt,
        "first_frame_image_url": _local(wishes.image or Path(str(bundled))),
        "last_frame_image_url": last_image,
        "resolution": wishes.resolution,
        "duration": wishes.duration,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _local(image: Path) -> str:
    if not image.is_file():
        raise ConfigurationError(f"There is no image {image}.")
    return str(image.absolute())


def _way(calls: list[str], simulator: Simulator) -> str:
    """Tell which way the calls took, down to the requests that the simulator saw."""
    requests = Counter(
        f"{request.method} {request.path.split('/')[-1].split('?')[0]}"
        for request in simulator.requests
        if request.path.startswith("/v1/requests")
    )
    seen = ", ".join(f"{count} x {name}" for name, count in requests.items())
    return (
        f"The way it took: this client called {' and '.join(calls)} over stdio; the server sent"
        f" {len(simulator.accepted)} paid POST and then {seen} over HTTP.\n"
        "The clip is SIMULATED: a slow zoom on your image, and nothing of Seedance in it.\n"
        "For a real one, get a token from your RunComfy profile and put it, with the server, into\n"
        "your assistant's configuration: examples/claude_config.json is ready to be pasted.\n"
    )


def _text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def _say(out: TextIO, line: str) -> None:
    out.write(f"{line}\n")
    out.flush()
