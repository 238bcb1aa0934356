# /// script
# requires-python = ">=3.11"
# dependencies = ["mcp>=2.3,<3"]
# ///
"""Begin a clip in one process, and collect it in another one, later.

    uv run examples/resume.py begin lake.jpg "Mist drifts over the lake."
    uv run examples/resume.py collect REQUEST_ID
    uv run examples/resume.py collect               the newest job, if its id was lost

The job runs at RunComfy and is in the server's ledger, so nothing has to stay open in between.
"""

import os
import shlex
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import TextContent


class Refused(Exception):
    """The server refused a call, in its own words."""


async def begin(client: Client, image: str, prompt: str) -> str:
    """Buy a clip and return its request_id, without waiting for the clip."""
    arguments = {"prompt": prompt, "first_frame_image_url": image, "wait_seconds": 0}
    job = await call(client, "generate_video", arguments)
    # There is no id if the answer to the paid request was lost; the next step says so.
    return job["request_id"] or job["next_step"]


async def collect(client: Client, request_id: str | None) -> str:
    """Wait for a clip, download it, and return the path of its file."""
    if request_id is None:
        listed = await call(client, "list_jobs", {"limit": 1})
        if not listed["jobs"]:
            raise Refused("There are no jobs.")
        request_id = listed["jobs"][0]["request_id"]
    job: dict[str, Any] = {"status": "in_queue"}
    while job["status"] in {"in_queue", "in_progress"}:
        job = await call(client, "check_status", {"request_id": request_id})
    if job["status"] != "completed":
        raise Refused(job["error"] or job["next_step"])
    wanted = {"request_id": request_id, "download": True}
    result = await call(client, "get_result", wanted)
    while result["videos"] and not result["saved_to"] and not result["error"]:
        # A long download goes on, and the same call waits for it.
        result = await call(client, "get_result", wanted)
    if not result["saved_to"]:
        raise Refused(result["error"] or result["next_step"])
    return result["saved_to"]


async def call(client: Client, tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a tool, and return its structured answer, which is there unless it refused."""
    result = await client.call_tool(tool, arguments)
    if result.structured_content is None:
        texts = [part.text for part in result.content if isinstance(part, TextContent)]
        raise Refused(" ".join(texts))
    return result.structured_content


def image_argument(image: str) -> str:
    """Return the absolute path of a local image; a URL as it is."""
    return image if "://" in image else str(Path(image).absolute())


def read_options() -> Namespace:
    """Return the options of this process."""
    parser = ArgumentParser(description="Begin a clip in one process, collect it in another.")
    parser.add_argument("--server", default="uvx seedance-mcp", metavar="COMMAND")
    commands = parser.add_subparsers(dest="command", required=True)
    beginning = commands.add_parser("begin")
    beginning.add_argument("image", type=image_argument)
    beginning.add_argument("prompt")
    commands.add_parser("collect").add_argument("request_id", nargs="?")
    return parser.parse_args()


async def main() -> int:
    """Begin or collect a clip, print its request_id or its path, and return the exit code."""
    options = read_options()
    command, *arguments = shlex.split(options.server)
    server = StdioServerParameters(command=command, args=arguments, env=dict(os.environ))
    async with Client(server) as client:
        try:
            if options.command == "begin":
                print(await begin(client, options.image, options.prompt))
            else:
                print(await collect(client, options.request_id))
        except Refused as refusal:
            print(refusal, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(anyio.run(main))
