"""The plugins of Claude Code and Cursor, their marketplaces, and the extension of Gemini CLI.

Claude Code's form is that of github.com/anthropics/claude-plugins-official, which `claude plugin
validate` checks; Cursor's that of github.com/cursor/plugins (schemas/ and third_party/github/);
Gemini CLI's that of its docs/extensions/reference.md.
"""

from collections.abc import Mapping
from typing import Any

from seedance_mcp.cli.install.registry import CLIENTS
from seedance_mcp.settings import TOKEN_VARIABLES

from ._options import ASKED, TOKEN, Option
from ._project import ICON, PLUGIN, SERVER, TITLE, Project

GEMINI_SECONDS = 600
"""How long Gemini CLI waits for a call (its default, said since our waits rely on it)."""


def _facts(project: Project) -> dict[str, Any]:
    return {
        "name": SERVER,
        "version": project.version,
        "description": project.description,
        "author": {"name": project.author},
        "homepage": project.homepage,
        "repository": project.homepage,
        "license": project.license,
        "keywords": list(project.keywords),
    }


def _server(project: Project, env: Mapping[str, str], **further: object) -> dict[str, Any]:
    command, args = project.command
    return {SERVER: {"command": command, "args": args, "env": dict(env), **further}}


def _suited(client: str) -> dict[str, str]:
    """Return the settings that suit a client's time limit, unless the environment has its own."""
    return {name: f"${{{name}:-{value}}}" for name, value in CLIENTS[client].settings.items()}


def claude_plugin(project: Project) -> dict[str, Any]:
    """Return the manifest of Claude Code's plugin, which asks for the settings and keeps them."""
    options = {option.name: _question(option) for option in ASKED}
    return _facts(project) | {"displayName": TITLE, "icon": ICON, "userConfig": options}


def _question(option: Option) -> dict[str, Any]:
    question = {"type": option.kind, "title": option.title, "description": option.sets}
    return question | option.bounds | ({"sensitive": True} if option.secret else {})


def claude_servers(project: Project) -> dict[str, Any]:
    """Return the server of Claude Code's plugin.

    Claude Code 2.1.332 first replaces options, by an empty text where one was left out, and then
    variables. So a variable of the environment wins over an option: else an option that was left
    out would cancel a limit that the shell has set. Only the token is the other way round, with a
    second name for that of the environment.
    """
    first, second, _ = TOKEN_VARIABLES
    env = {first: _option(TOKEN), second: f"${{{first}:-}}"}
    further = [option for option in ASKED if option is not TOKEN]
    env |= {option.variable: f"${{{option.variable}:-{_option(option)}}}" for option in further}
    env |= _suited("claude-code")
    return {"mcpServers": _server(project, env)}


def _option(option: Option) -> str:
    return f"${{user_config.{option.name}}}"


def cursor_plugin(project: Project) -> dict[str, Any]:
    """Return the manifest of Cursor's plugin, which asks for the token."""
    token = {"type": "string", "title": TOKEN.title, "description": TOKEN.sets}
    variables = {
        "type": "object",
        "properties": {TOKEN.variable: token},
        "required": [TOKEN.variable],
    }
    own = {"displayName": TITLE, "logo": ICON, "variables": variables, "mcpServers": "./mcp.json"}
    return _facts(project) | own


def cursor_servers(project: Project) -> dict[str, Any]:
    """Return the server of Cursor's plugin, given what a person answered."""
    return {"mcpServers": _server(project, {TOKEN.variable: f"${{{TOKEN.variable}}}"})}


def marketplace(project: Project, source: str) -> dict[str, Any]:
    """Return a marketplace with the one plugin."""
    plugin = {"name": SERVER, "source": source, "description": project.description}
    return {
        "name": project.name,
        "owner": {"name": project.author},
        "metadata": {"description": project.description},
        "plugins": [plugin],
    }


def claude_marketplace(project: Project) -> dict[str, Any]:
    """Return Claude Code's marketplace."""
    return marketplace(project, f"./{PLUGIN}")


def cursor_marketplace(project: Project) -> dict[str, Any]:
    """Return Cursor's marketplace, whose sources have no dot."""
    return marketplace(project, PLUGIN)


def gemini_extension(project: Project) -> dict[str, Any]:
    """Return the manifest of Gemini CLI's extension, which keeps the token in a keychain.

    What is named here is a setting, else a variable of the environment, else an empty text (its
    source, envVarResolver.ts). The rest of the environment reaches the server too, but for
    variables whose names sound secret (0.61.0).
    """
    settings = [
        {"name": option.title, "description": option.sets, "envVar": option.variable}
        | ({"sensitive": True} if option.secret else {})
        for option in ASKED
    ]
    env = {option.variable: f"${{{option.variable}:-}}" for option in ASKED}
    env |= _suited("gemini")
    servers = _server(project, env, timeout=GEMINI_SECONDS * 1000)
    facts = {name: _facts(project)[name] for name in ("name", "version", "description")}
    return facts | {"mcpServers": servers, "settings": settings}
