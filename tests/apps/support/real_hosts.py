"""Hosts that others made, as programs with a page, and the app in their page."""

import os
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Frame, Page

from conformance.common import NODE, started, without_settings
from conformance.inspector import CLI

PLAYED = """() => new Promise((done, failed) => {
  const video = document.querySelector("video");
  const end = () => done([video.currentTime, video.duration]);
  const fail = () => failed(new Error(`${video.error?.message}, ${video.src}, at ${
    video.currentTime} of ${video.duration}, paused: ${video.paused}, state ${video.readyState}`));
  setTimeout(fail, 60000);
  video.loop = false;
  video.addEventListener("ended", end);
  video.addEventListener("error", fail);
  if (video.ended) end();
  else void video.play();
})"""
"""Resolves to where a clip stands when it has been played to its end, and how long it is."""


def app_frame(page: Page) -> Frame:
    """Return the frame of the only app of a page, which is inside the frame of a sandbox."""
    frame = page.main_frame
    for _ in range(2):
        element = frame.wait_for_selector("iframe", state="attached")
        inner = element.content_frame() if element else None
        assert inner
        frame = inner
    frame.wait_for_selector("main")
    return frame


@contextmanager
def inspector(folder: Path) -> Generator[str]:
    """Run the web page of the MCP Inspector as long as the context lasts, and yield its URL."""
    port, token = free_port(), "made-up"
    env = without_settings(os.environ) | {
        "HOME": str(folder),
        "CLIENT_PORT": str(port),
        "MCP_SANDBOX_PORT": "0",
        "MCP_APP_ORIGIN_PORT": "0",
        "MCP_AUTO_OPEN_ENABLED": "false",
        "MCP_INSPECTOR_API_TOKEN": token,
        "MCP_INSPECTOR_SECRET_STORE": "memory",
        "MCP_STORAGE_DIR": str(folder / "inspector"),
    }
    with started([NODE, CLI, "--web"], env=env, log=folder / "inspector.log"):
        yield f"http://127.0.0.1:{port}/?{urlencode({'MCP_INSPECTOR_API_TOKEN': token})}"


@contextmanager
def basic_host(built: Path, server_url: str, port: int, log: Path) -> Generator[str]:
    """Run a built basic-host for a server as long as the context lasts, and yield its URL.

    Its sandbox has the port 8081, which is written in its page.
    """
    own: Mapping[str, str] = {"SERVERS": f'["{server_url}"]', "HOST_PORT": str(port)}
    command = [str(built / "node_modules" / ".bin" / "tsx"), str(built / "serve.ts")]
    with started(command, env=without_settings(os.environ) | own, log=log):
        yield f"http://localhost:{port}/"


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port
