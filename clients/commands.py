"""The clients that are commands: how each is told of the server and of the model."""

import json

from .scene import NODE, PROMPT, Invocation, Scene


def claude_code(scene: Scene) -> Invocation:
    """Return how to run Claude Code, which has tools of its own to find ours with."""
    config = {"mcpServers": {"seedance": scene.server}}
    options = ["--mcp-config", "mcp.json", "--strict-mcp-config", "--allowedTools", "mcp__seedance"]
    return Invocation(
        command=[_path("claude"), "--print", PROMPT, *options],
        env={
            "ANTHROPIC_BASE_URL": scene.model.url,
            "ANTHROPIC_API_KEY": "none",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
        files={"mcp.json": json.dumps(config)},
    )


def codex(scene: Scene) -> Invocation:
    """Return how to run Codex, whose TOML takes strings as JSON has them.

    Unless a server is required, Codex asks its model before a server that starts slowly is ready.
    """
    options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    env = ", ".join(f"{name} = {json.dumps(value)}" for name, value in scene.server_env.items())
    config = f"""
        model = "stand-in"
        model_provider = "stand-in"
        check_for_update_on_startup = false
        analytics.enabled = false

        [model_providers.stand-in]
        name = "stand-in"
        base_url = "{scene.model.url}/v1"
        wire_api = "responses"

        [mcp_servers.seedance]
        required = true
        command = {json.dumps(scene.server["command"])}
        env = {{ {env} }}
    """
    return Invocation(
        command=[_path("codex"), "exec", *options, PROMPT], files={".codex/config.toml": config}
    )


def gemini(scene: Scene) -> Invocation:
    """Return how to run Gemini CLI; without a model it would ask one which model to ask."""
    settings = {
        "mcpServers": {"seedance": scene.server},
        "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
        "security": {"auth": {"selectedType": "gemini-api-key"}},
    }
    options = ["--model", "gemini-2.5-pro", "--approval-mode", "yolo"]
    return Invocation(
        command=[_path("gemini"), "--prompt", PROMPT, *options],
        env={
            "GEMINI_API_KEY": "none",
            "GOOGLE_GEMINI_BASE_URL": scene.model.url,
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        },
        files={".gemini/settings.json": json.dumps(settings)},
    )


def opencode(scene: Scene) -> Invocation:
    """Return how to run opencode."""
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{scene.model.url}/v1", "apiKey": "none"},
        "models": {"stand-in": {"tool_call": True}},
    }
    options = ["--model", "stand-in/stand-in", "--title", "A clip", "--pure"]
    command, env = [scene.server["command"]], dict(scene.server_env)
    config = {
        "provider": {"stand-in": provider},
        "mcp": {"seedance": {"type": "local", "command": command, "environment": env}},
        "autoupdate": False,
        "share": "disabled",
    }
    return Invocation(
        command=[_path("opencode"), "run", *options, PROMPT],
        env={"OPENCODE_DISABLE_MODELS_FETCH": "1"},
        files={".config/opencode/opencode.json": json.dumps(config)},
    )


def _path(name: str) -> str:
    return str(NODE / ".bin" / name)
