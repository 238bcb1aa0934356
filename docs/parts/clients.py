"""The table of clients: what each does with a call, and what `seedance-mcp install` writes."""

from dataclasses import dataclass

from seedance_mcp.cli.install.client import Client, Server
from seedance_mcp.cli.install.registry import CLIENTS

from .table import code, table
from .tools import DEFAULT_WAIT

UNKNOWN = "not known"


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """What a client does; `limit` may name keys of the entry, whose values stand there.

    The sources of the limits are in `cli/install/clients`. The rest is measured by `make clients`
    and by hand with the same versions, or read in the client's source.
    """

    limit: str
    progress: str = UNKNOWN
    tasks: str = UNKNOWN
    shown: str = UNKNOWN


BEHAVIOUR = {
    "claude-desktop": Behaviour(limit="about 240 s, by reports", progress="no"),
    "claude-code": Behaviour(
        limit="30 minutes without a sign of life over stdio, 5 over HTTP",
        progress="yes",
        tasks="yes; not with `--print`",
        shown="the structure instead of the text, images",
    ),
    "cursor": Behaviour(limit="60 s, by reports"),
    "vscode": Behaviour(
        limit="none",
        progress="not needed",
        tasks="an older form only",
        shown="the structure instead of the text",
    ),
    "codex": Behaviour(
        limit="{tool_timeout_sec} s, in the entry", progress="no", tasks="no", shown="the structure"
    ),
    "gemini": Behaviour(
        limit="{timeout:,} ms, in the entry", progress="no", tasks="no", shown="the text, images"
    ),
    "zed": Behaviour(limit="{timeout} s, in the entry; 60 without", tasks="no"),
    "windsurf": Behaviour(limit="not documented"),
    "devin": Behaviour(limit="not documented"),
    "cline": Behaviour(limit="{timeout} s, in the entry; 60 without", progress="no"),
    "goose": Behaviour(limit="{timeout} s, in the entry", progress="no", tasks="no"),
    "opencode": Behaviour(
        limit="60 s without progress (version 1), 12 hours (version 2)",
        progress="yes",
        shown="the text",
    ),
    "lm-studio": Behaviour(limit="60 s"),
}

TOKEN = {
    "asks": "the client asks",
    "environment": "its environment",
    None: "the file",
}


def clients() -> str:
    """Return the table of the clients that the server can be installed in."""
    head = ["client", "ends a call after", "progress extends it", "MCP Tasks", "its model is shown"]
    head += ["a call waits for", "the token is from"]
    return table(head, *(_row(client, BEHAVIOUR[name]) for name, client in CLIENTS.items()))


def _row(client: Client, does: Behaviour) -> list[str]:
    entry = client.entry(Server(command="uvx", args=["seedance-mcp"]))
    wait = client.settings.get("SEEDANCE_WAIT_SECONDS", DEFAULT_WAIT)
    limit = does.limit.format_map(entry)
    cells = [limit, does.progress, does.tasks, does.shown, f"{wait} s", TOKEN[client.refers]]
    return [f"{client.title} ({code(client.id)})", *cells]
