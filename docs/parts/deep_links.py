"""Links that put the server into a client: Cursor, VS Code and LM Studio.

They carry the same entry as `seedance-mcp install` writes, but for the command: a link cannot know
where uvx is on the reader's machine. The forms with https are those that GitHub and PyPI keep; each
leads to a page of the client's makers, which opens the client.

- Cursor: cursor.com/docs/mcp/install-links; the entry as base64 of JSON.
- VS Code: code.visualstudio.com/api/extension-guides/ai/mcp for `vscode:mcp/install`, and the
  README of github/github-mcp-server for the page; JSON, the question for the token as an input.
- LM Studio: lmstudio.ai/docs/app/mcp/deeplink; as Cursor.
"""

import json
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from seedance_mcp.cli.install.client import NAME, Client, Server
from seedance_mcp.cli.install.edits import Json
from seedance_mcp.cli.install.registry import CLIENTS

PLACEHOLDER = "your-runcomfy-token"
"""What stands for a token that the reader has to write; the server names it if they forget."""

PAGES = {
    "cursor": "https://cursor.com/en/install-mcp?",
    "vscode": "https://insiders.vscode.dev/redirect/mcp/install?",
    "lm-studio": "https://lmstudio.ai/install-mcp?",
}
APPS = {
    "cursor": "cursor://anysphere.cursor-deeplink/mcp/install?",
    "vscode": "vscode:mcp/install?",
    "lm-studio": "lmstudio://add_mcp?",
}


def page_links() -> str:
    """Return a list of links to the pages that open the clients."""
    links = [f"[{CLIENTS[name].title}]({page}{_query(name)})" for name, page in PAGES.items()]
    return "\n".join(f"- {link}" for link in links)


def app_links() -> str:
    """Return the links that open the clients at once, to be pasted into a browser."""
    links = [f"{APPS['cursor']}{_query('cursor')}", f"{APPS['vscode']}{_whole_vscode()}"]
    return "\n".join(["```text", *links, f"{APPS['lm-studio']}{_query('lm-studio')}", "```"])


def _query(name: str) -> str:
    """Return the name and the entry as the parameters of a link."""
    client = CLIENTS[name]
    entry = _json(client.entry(_server(client)))
    if name == "vscode":
        return urlencode(
            {"name": NAME, "inputs": _json(_inputs()), "config": entry}, quote_via=quote
        )
    return base64_parameters(entry)


def base64_parameters(entry: str) -> str:
    """Return the parameters of a link with an entry in base64, in which + and / are escaped."""
    return urlencode({"name": NAME, "config": b64encode(entry.encode()).decode()})


def _whole_vscode() -> str:
    """Return name, inputs and entry as the one JSON that VS Code itself takes."""
    client = CLIENTS["vscode"]
    return quote(_json({"name": NAME, "inputs": _inputs(), **client.entry(_server(client))}))


def _inputs() -> list[Json]:
    client = CLIENTS["vscode"]
    return [extra.value for extra in client.extras(_server(client))]


def _server(client: Client) -> Server:
    """Return the server as any machine may start it, and the token as a client can refer to it."""
    refers = client.refers is not None
    token = {} if refers else {"RUNCOMFY_API_TOKEN": PLACEHOLDER}
    return Server(
        command="uvx",
        args=["seedance-mcp"],
        env={**client.settings, **token},
        authentication="client" if refers else "file",
    )


def _json(value: Mapping[str, Json] | list[Json]) -> str:
    return json.dumps(value, separators=(",", ":"))
