"""`seedance-mcp demo`: make a clip, one that continues it, and both in one, with no account.

The simulator runs in this process. The server is a subprocess that talks MCP over stdio, started
as an assistant would start it, and takes the simulator for RunComfy.
"""

import io
import sys
import tempfile
from argparse import Namespace
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from secrets import token_hex
from typing import Any, cast

import anyio
from PIL import Image

from seedance_mcp.errors import ConfigurationError, DownloadFailed, SeedanceError
from seedance_mcp.mcp_server.subprocess_client import ServerClient, started_server
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running

PROMPT = "The mist drifts over the lake while the camera moves slowly in."
NEXT_PROMPT = "The camera goes on, closer and closer."
QUEUE_SECONDS, RUN_SECONDS = 2.5, 3.0
NEXT_RUN_SECONDS = 0.5
"""How long the second clip takes: waiting for it shows nothing new."""
TOO_SMALL = (240, 160)
"""Width and height in pixels of an image that every model here rejects."""


def demo(options: Namespace) -> None:
    """Make the clips in the current folder and report each step on stdout.

    Raises:
        ConfigurationError: An image does not exist, or PyAV is not installed.
        SeedanceError: The job failed; the message is the tool's own.
    """
    # A terminal whose encoding lacks "…" shows a question mark instead of failing. Line buffering
    # also flushes at the "\r" of `_show`.
    cast("io.TextIOWrapper", sys.stdout).reconfigure(errors="replace", line_buffering=True)
    anyio.run(_make_film, _tool_arguments(options))


async def _make_film(arguments: dict[str, Any]) -> None:
    _print("Simulated clips: no account is needed and nothing is charged.\n")
    behaviour = Behaviour(run_seconds=RUN_SECONDS, queue_seconds=QUEUE_SECONDS, render="eager")
    async with running(behaviour, token=token_hex(16)) as simulator:
        _print(f"simulator       {simulator.url}, in place of RunComfy")
        async with _server(simulator, Path.cwd()) as client:
            _print(f"server          a subprocess, MCP {client.protocol_version} over stdio")
            _print(f"tools           {', '.join(await client.tool_names())}")
            session = _Session(client, simulator)
            error = await session.make_film(arguments)
        # Raised inside, the error would be wrapped in a group by the SDK's task groups.
        if error:
            raise error
        _print(_summary(session.calls, simulator))


class _Session:
    """The calls that an agent would make for two clips and both in one."""

    def __init__(self, client: ServerClient, simulator: Simulator) -> None:
        self.calls: list[str] = []
        self._client = client
        self._simulator = simulator

    async def make_film(self, arguments: dict[str, Any]) -> SeedanceError | None:
        """Make the clips and join them; return the error that a tool answered."""
        try:
            await self._show_rejected_image(arguments)
            first = await self._make_clip(arguments)
            behaviour = self._simulator.behaviour
            behaviour.queue_seconds, behaviour.run_seconds = 0.0, NEXT_RUN_SECONDS
            frame = f"seedance://jobs/{first}/last-frame"
            _print(f"\na second clip   begins with {frame}")
            going_on = arguments | {"prompt": NEXT_PROMPT, "first_frame_image_url": frame}
            going_on.pop("last_frame_image_url", None)
            second = await self._make_clip(going_on)
            _print("")
            _print_file(
                "both in one", await self._call("join_clips", {"request_ids": [first, second]})
            )
        except SeedanceError as error:
            return error
        return None

    async def _make_clip(self, arguments: dict[str, Any]) -> str:
        """Make a clip and save it; return its request_id."""
        job = await self._call("generate_video", arguments)
        while job["status"] != "completed":
            job = await self._call("check_status", {"request_id": job["request_id"]})
        wanted = {"request_id": job["request_id"], "download": True}
        result = await self._call("get_result", wanted)
        _print_file("saved", result)
        _print(f"cost            {result['cost_usd']} USD, made up by the simulator")
        return job["request_id"]

    async def _show_rejected_image(self, arguments: dict[str, Any]) -> None:
        """Show that an image that breaks a rule of the model is rejected before it costs."""
        with tempfile.TemporaryDirectory(prefix="seedance-demo-") as folder:
            image = Path(folder) / "too-small.png"
            Image.new("RGB", TOO_SMALL).save(image)
            bad = arguments | {"first_frame_image_url": str(image)}
            try:
                await self._client.call("generate_video", bad, lambda _: None)
            except SeedanceError as error:
                _print(f"a bad image     refused: {error.message}")

    async def _call(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.calls.append(tool)
        try:
            answer = await self._client.call(tool, arguments, lambda text: _show(tool, f"… {text}"))
        except SeedanceError:
            _show(tool, "an error", last=True)
            raise
        _show(tool, _in_short(answer), last=True)
        return answer


def _in_short(answer: dict[str, Any]) -> str:
    if "request_id" in answer:
        return f"{answer['status']}, request_id {answer['request_id']}"
    return f"{answer['seconds']} s" if "seconds" in answer else answer["next_step"]


def _print_file(name: str, answer: dict[str, Any]) -> None:
    """Print the file that an answer names.

    Raises:
        DownloadFailed: It names none.
    """
    if not answer.get("saved_to"):
        raise DownloadFailed(answer["next_step"])
    file = Path(answer["saved_to"])
    _print(f"{name:<15} {file} ({file.stat().st_size:,} bytes)")


def _show(tool: str, text: str, *, last: bool = False) -> None:
    """Write a call's progress: on a terminal over the text before, elsewhere as a line."""
    live = sys.stdout.isatty()
    # "\x1b[2K" clears the line.
    start, end = "\r\x1b[2K" if live else "", "" if live and not last else "\n"
    sys.stdout.write(f"{start}{tool:<15} {text}{end}")


@asynccontextmanager
async def _server(simulator: Simulator, folder: Path) -> AsyncGenerator[ServerClient, None]:
    """Start a server that knows only the simulator and downloads clips into the folder."""
    with tempfile.TemporaryDirectory(prefix="seedance-demo-") as state:
        variables = {
            "RUNCOMFY_API_TOKEN": simulator.token,
            "RUNCOMFY_API_BASE_URL": simulator.url,
            "SEEDANCE_OUTPUT_DIR": str(folder),
            "SEEDANCE_STATE_DIR": state,
        }
        async with started_server(variables) as client:
            yield client


def _tool_arguments(options: Namespace) -> dict[str, Any]:
    """Return the options as arguments of generate_video; what is not set is the model's default."""
    bundled = resources.files("seedance_mcp.simulator") / "sample_images" / "lake.jpg"
    arguments = {
        "prompt": PROMPT if options.prompt is None else options.prompt,
        "first_frame_image_url": _local_image(options.image or Path(str(bundled))),
        "last_frame_image_url": options.last_image and _local_image(options.last_image),
        "resolution": options.resolution,
        "duration": options.duration,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _local_image(image: Path) -> str:
    if not image.is_file():
        raise ConfigurationError(f"No such image: {image}.")
    return str(image.absolute())


def _summary(calls: list[str], simulator: Simulator) -> str:
    """Return which calls and HTTP requests the clips took, and how to make real ones."""
    requests = Counter(
        f"{request.method} {request.path.split('/')[-1].split('?')[0]}"
        for request in simulator.requests
        if request.path.startswith("/v1/requests")
    )
    seen = ", ".join(f"{count} x {name}" for name, count in requests.items())
    return (
        f"\nWhat it took: this client called {', '.join(calls)} over stdio; the server sent"
        f" {len(simulator.accepted)} paid POSTs and then {seen} over HTTP.\n"
        "The clips are SIMULATED: a slow zoom into your image, not made by Seedance.\n"
        "To make real ones, add the server to your assistant: `seedance-mcp install CLIENT`\n"
        "does it, and asks for the token from your RunComfy profile.\n"
    )


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
