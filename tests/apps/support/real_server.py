"""A real server over a simulator, in this process and in real time, for a host in Chromium."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp.client.extension import advertise
from mcp_types import TextResourceContents
from pydantic import BaseModel

from seedance_mcp.mcp_server.apps.pages import AppPage
from seedance_mcp.simulator.behaviour import Behaviour
from tests.support.client import ToolClient, open_client

from .app import Answer, Json

UI = advertise("io.modelcontextprotocol/ui", {"mimeTypes": ["text/html;profile=mcp-app"]})
"""What a client says that shows apps."""


@dataclass(kw_only=True)
class RealServer:
    """A server, as a host knows it.

    Attributes:
        client: The host's client.
        called: Every tool that was called so far, and by whom: "model" or "app".
    """

    client: ToolClient
    called: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    _portal: BlockingPortal

    def call(self, tool: str, arguments: Mapping[str, Any], *, caller: str = "model") -> Json:
        """Call a tool, and return its result."""
        self.called.append((caller, tool))
        return _json(self._portal.call(partial(self.client.call, tool, **arguments)))

    def tools_of_apps(self) -> dict[str, Answer]:
        """Return what answers calls of an app: those of the tools that it may call."""
        return {
            name: partial(self.call, name, caller="app")
            for name, ui in self._uis().items()
            if "app" in ui.get("visibility", ["model", "app"])
        }

    def page(self, tool: str) -> AppPage:
        """Return the page that shows a tool's results, as a host reads it."""
        uri = self._uis()[tool]["resourceUri"]
        (content,) = self._portal.call(self.client.mcp.read_resource, uri).contents
        assert isinstance(content, TextResourceContents)
        assert content.mime_type == "text/html;profile=mcp-app"
        csp = (content.meta or {})["ui"]["csp"]
        assert {name for name, origins in csp.items() if origins} == {"resourceDomains"}
        name = "gallery" if tool == "list_jobs" else "player"
        page = AppPage(name=name, html=content.text, origins=tuple(csp["resourceDomains"]))
        assert page.uri == uri
        return page

    def read(self, uri: str) -> Json:
        """Read a resource for an app."""
        return _json(self._portal.call(self.client.mcp.read_resource, uri))

    def _uis(self) -> dict[str, Json]:
        tools = self._portal.call(self.client.mcp.list_tools).tools
        return {tool.name: (tool.meta or {}).get("ui", {}) for tool in tools}


@contextmanager
def real_server(behaviour: Behaviour, *, mode: str, **settings: Any) -> Generator[RealServer]:
    """Run a simulator and a server, with a host's client that shows apps, in an era."""
    opened = open_client(behaviour, mode=mode, extensions=[UI], **settings)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(opened) as client,
    ):
        yield RealServer(client=client, _portal=portal)


def _json(result: BaseModel) -> Json:
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)
