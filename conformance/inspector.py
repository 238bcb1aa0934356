"""The MCP Inspector as an independent client, over stdio in both protocol eras: `make inspect`.

The server is configured by `examples/claude_config.json` with three changes: it runs from this
checkout, its token is made up, and its RunComfy is the simulator or a port that refuses.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from mcp.server.apps import APP_MIME_TYPE

from seedance_mcp.mcp_server.apps.pages import STORAGE_ORIGIN

from .common import (
    LOGS,
    NODE,
    PACKAGES,
    ROOT,
    SEEDANCE_MCP,
    exit_on_signals,
    refusing_url,
    say,
    settings,
    started,
    without_settings,
)

ERAS = ("legacy", "modern")
TOOLS = {"generate_video", "check_status", "get_result", "cancel_job", "list_jobs", "join_clips"}
TOKEN = "made-up"  # noqa: S105 - only the simulator accepts it
EXAMPLE = ROOT / "examples" / "claude_config.json"
IMAGES = ROOT / "src" / "seedance_mcp" / "simulator" / "sample_images"
CLI = str(PACKAGES / "inspector" / "clients" / "launcher" / "build" / "index.js")
CALL_SECONDS = 120.0
IS_ERROR = 5
"""The Inspector's exit code for a result with `isError`."""


class CheckFailed(Exception):
    """An answer is not what it must be."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The output of one run of the Inspector.

    Attributes:
        exit_code: 0, or the kind of failure.
        result: The MCP result.
        app: What it found about the app of a tool.
        findings: What it found about how portable the tools' schemas are.
        log: Its stderr, which includes the server's log.
    """

    exit_code: int
    result: dict[str, Any]
    app: dict[str, Any]
    findings: list[dict[str, Any]]
    log: str

    @property
    def text(self) -> str:
        """Return the text, which some clients show the model."""
        blocks: list[dict[str, Any]] = self.result.get("content", [])
        return "\n".join(block["text"] for block in blocks if block["type"] == "text")

    @property
    def structure(self) -> dict[str, Any]:
        """Return the structured content, which other clients show the model."""
        return self.result.get("structuredContent", {})

    def expect(self, what: str, *, holds: bool) -> None:
        """Check a condition.

        Raises:
            CheckFailed: It does not hold; the message shows the answer.
        """
        if not holds:
            seen = json.dumps(self.result or self.app)[:1000]
            raise CheckFailed(
                f"{what}; exit code {self.exit_code}, result {seen}\n{self.log[-2000:]}"
            )


@dataclass(frozen=True, kw_only=True)
class Inspector:
    """The Inspector in one protocol era, with the definition of a server."""

    era: str
    config: Path
    env: Mapping[str, str]

    def ask(self, method: str, *options: str) -> Answer:
        """Start the server and send it one request."""
        command = [NODE, CLI, "--cli", "--config", str(self.config), "--server", "seedance"]
        command += ["--protocol-era", self.era, "--format", "json"]
        # The bound of the run is enough, also on a busy machine.
        command += ["--connect-timeout", "0", "--method", method, *options]
        run = subprocess.run(
            command,
            env=self.env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=CALL_SECONDS,
            check=False,
        )
        envelope = json.loads(run.stdout or "{}")
        return Answer(
            exit_code=run.returncode,
            result=envelope.get("result", {}),
            app=envelope.get("appInfo", {}),
            findings=[f for tool in envelope.get("schemaFindings", ()) for f in tool["findings"]],
            log=run.stderr,
        )

    def call(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool."""
        options = ("--tool-name", tool, "--tool-args-json", json.dumps(arguments))
        return self.ask("tools/call", *options)


def main() -> None:
    """Run every check in both eras, and exit with 1 if one fails."""
    exit_on_signals()
    with (
        tempfile.TemporaryDirectory() as folder,
        refusing_url() as nowhere,
        simulator(folder) as simulated,
        image_url() as image,
        ThreadPoolExecutor(max_workers=4) as threads,
    ):
        env = without_settings(os.environ)
        # The Inspector writes to the home folder and would ask the desktop for its keyring.
        env |= {"HOME": folder, "MCP_INSPECTOR_SECRET_STORE": "memory"}
        offline = definition(Path(folder, "offline.json"), settings(folder, nowhere))
        online = definition(Path(folder, "online.json"), settings(folder, simulated))
        checks = [
            (check_list, offline),
            (check_rejection, offline),
            (partial(check_app, tool="generate_video", page="player"), offline),
            (partial(check_app, tool="list_jobs", page="gallery"), offline),
            (check_unreachable, offline),
            (partial(check_clip, image=image), online),
        ]
        outcomes = [
            threads.submit(outcome, check, Inspector(era=era, config=config, env=env))
            for era in ERAS
            for check, config in checks
        ]
        for ended in outcomes:
            say(ended.result())
    failed = sum(ended.result().startswith("FAILED") for ended in outcomes)
    if failed:
        sys.exit(f"{failed} of {len(outcomes)} checks failed.")


def outcome(check: Callable[[Inspector], str], inspector: Inspector) -> str:
    """Run a check and return its outcome in one line."""
    try:
        return f"ok     {inspector.era}: {check(inspector)}"
    except (CheckFailed, OSError, ValueError, subprocess.SubprocessError) as error:
        return f"FAILED {inspector.era}: {error}"


def check_list(inspector: Inspector) -> str:
    """Check the names of the tools, and that their schemas have no error."""
    answer = inspector.ask("tools/list", "--strict")
    names = {tool["name"] for tool in answer.result.get("tools", ())}
    answer.expect("tools/list must list exactly the tools", holds=names == TOOLS)
    errors = [finding for finding in answer.findings if finding["severity"] == "error"]
    answer.expect("--strict must find no error", holds=not errors and answer.exit_code == 0)
    rules = ", ".join(sorted({finding["rule"] for finding in answer.findings}))
    warned = f"{len(answer.findings)} warnings {f'({rules})' if rules else ''}".strip()
    return f"tools/list --strict: {len(names)} tools, 0 errors, {warned}"


def check_rejection(inspector: Inspector) -> str:
    """Check that an invalid argument is rejected by name."""
    answer = inspector.call("check_status", request_id="no/such id")
    right = answer.exit_code == IS_ERROR and answer.text.startswith("request_id must ")
    answer.expect("check_status must reject the id", holds=right)
    modern = "io.modelcontextprotocol/serverInfo" in answer.result.get("_meta", {})
    answer.expect(
        "the server must answer in the requested era", holds=modern == (inspector.era == "modern")
    )
    return f"check_status rejects an id: {answer.text}"


def check_app(inspector: Inspector, *, tool: str, page: str) -> str:
    """Check that a tool has a page, which may load clips and nothing else."""
    answer = inspector.ask("tools/call", "--tool-name", tool, "--app-info")
    uri = str(answer.app.get("resourceUri"))
    right = bool(re.fullmatch(rf"ui://seedance/{page}-[0-9a-f]{{12}}\.html", uri))
    answer.expect(f"{tool} must have the {page}", holds=right and answer.exit_code == 0)
    mime_type = answer.app.get("resourceMimeType")
    answer.expect("hosts must take it for an app", holds=mime_type == APP_MIME_TYPE)
    csp = answer.app.get("csp", {})
    right = [each for each in csp if csp[each]] == ["resourceDomains"]
    answer.expect("it may connect to nothing", holds=right)
    right = STORAGE_ORIGIN in csp["resourceDomains"]
    answer.expect("it may load from the storage", holds=right)
    known = {"hasApp", "toolName", "visibility", "prefersBorder"}
    known |= {"resourceUri", "resourceMimeType", "csp"}
    answer.expect("it must ask for nothing else", holds=answer.app.keys() <= known)
    return f"{tool} --app-info: {uri}, from {', '.join(csp['resourceDomains'])}"


def check_unreachable(inspector: Inspector) -> str:
    """Check that an unreachable RunComfy is reported as a tool error."""
    answer = inspector.call("check_status", request_id="no-such-id", wait_seconds=0)
    right = answer.exit_code == IS_ERROR and "RunComfy did not answer" in answer.text
    answer.expect("check_status must say that RunComfy did not answer", holds=right)
    return f"check_status without RunComfy: {answer.text}"


def check_clip(inspector: Inspector, *, image: str) -> str:
    """Check that a clip can be made, and read again by a server started later."""
    made = inspector.call(
        "generate_video", prompt="Mist drifts.", first_frame_image_url=image, wait_seconds=45
    )
    right = made.exit_code == 0 and made.structure.get("status") == "completed"
    made.expect("generate_video must make a clip", holds=right)
    again = inspector.call("get_result", request_id=made.structure["request_id"])
    right = again.exit_code == 0 and again.structure.get("videos") == [made.structure["video_url"]]
    again.expect("get_result must return the same clip", holds=right)
    return f"generate_video, get_result: {again.text.splitlines()[0]}"


def definition(path: Path, variables: Mapping[str, str]) -> Path:
    """Write the example configuration, changed to run this checkout, to a file."""
    example = json.loads(EXAMPLE.read_text("utf-8"))
    server = example["mcpServers"]["seedance"]
    server |= {"command": SEEDANCE_MCP, "args": []}
    server["env"] |= {**variables, "RUNCOMFY_API_TOKEN": TOKEN}
    # The image is on this machine.
    server["env"] |= {"SEEDANCE_ALLOW_PRIVATE_URLS": "true"}
    path.write_text(json.dumps(example), "utf-8")
    return path


@contextmanager
def simulator(folder: str, run_seconds: float = 0.5) -> Generator[str]:
    """Run the simulator and yield its URL."""
    command = [SEEDANCE_MCP, "simulate", "--port", "0", "--token", TOKEN]
    command += ["--run-seconds", str(run_seconds)]
    env = without_settings(os.environ) | settings(folder, "http://127.0.0.1")
    with started(command, env=env, log=LOGS / "simulator.log") as url:
        yield url


@contextmanager
def image_url() -> Generator[str]:
    """Serve an image over HTTP and yield its URL, for the simulator to fetch."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(IMAGES))) as server:
        Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/lake.jpg"
        finally:
            server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without logging."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the base class
        """Log nothing."""


if __name__ == "__main__":
    main()
