"""What is written for each client, byte by byte, into a file with another server and comments."""

from pathlib import Path

import pytest

from seedance_mcp.cli.install.client import Server
from seedance_mcp.cli.install.installer import install, uninstall
from seedance_mcp.cli.install.record import Records
from seedance_mcp.cli.install.registry import CLIENTS
from seedance_mcp.clock import Clock
from tests.support.client_configs import for_client
from tests.support.machines import empty_machine

# A client takes the token from elsewhere if it can.
SERVER = Server(
    command="/opt/uv/uvx",
    args=["seedance-mcp"],
    env={"SEEDANCE_LOG_LEVEL": "info"},
    authentication="client",
)
BEFORE = {
    "json": b"""\
// mine
{
  "@": {
    "other": {}, // made by hand
  },
}
""",
    "toml": b"""\
# mine
[@.other] # made by hand
command = "npx"

[last]
""",
    "yaml": b"""\
@:
    other: {cmd: npx} # made by hand
last: []
""",
}
WITHOUT_TOKEN = b"""\
// mine
{
  "mcpServers": {
    "other": {}, // made by hand
    "seedance": {
      "command": "/opt/uv/uvx",
      "args": [
        "seedance-mcp"
      ],
      "env": {
        "SEEDANCE_LOG_LEVEL": "info"
      }
    },
  },
}
"""
REFERRING = b"""\
// mine
{
  "mcpServers": {
    "other": {}, // made by hand
    "seedance": {
      "command": "/opt/uv/uvx",
      "args": [
        "seedance-mcp"
      ],
      "env": {
        "SEEDANCE_LOG_LEVEL": "info",
        "RUNCOMFY_API_TOKEN": "${env:RUNCOMFY_API_TOKEN}"
      }
    },
  },
}
"""
AFTER = {
    "claude-desktop": WITHOUT_TOKEN,
    "claude-code": b"""\
// mine
{
  "mcpServers": {
    "other": {}, // made by hand
    "seedance": {
      "command": "/opt/uv/uvx",
      "args": [
        "seedance-mcp"
      ],
      "env": {
        "SEEDANCE_LOG_LEVEL": "info",
        "RUNCOMFY_API_TOKEN": "${RUNCOMFY_API_TOKEN:-}"
      }
    },
  },
}
""",
    "cursor": REFERRING,
    "vscode": b"""\
// mine
{
  "servers": {
    "other": {}, // made by hand
    "seedance": {
      "type": "stdio",
      "command": "/opt/uv/uvx",
      "args": [
        "seedance-mcp"
      ],
      "env": {
        "SEEDANCE_LOG_LEVEL": "info",
        "RUNCOMFY_API_TOKEN": "${input:runcomfy-api-token}"
      }
    },
  },
  "inputs": [
    {
      "id": "runcomfy-api-token",
      "type": "promptString",
      "description": "RunComfy API token",
      "password": true
    }
  ],
}
""",
    "codex": b"""\
# mine
[mcp_servers.other] # made by hand
command = "npx"

[last]

[mcp_servers.seedance]
command = "/opt/uv/uvx"
args = ["seedance-mcp"]
env_vars = ["RUNCOMFY_API_TOKEN"]
startup_timeout_sec = 60
tool_timeout_sec = 300
env = { SEEDANCE_LOG_LEVEL = "info" }
""",
    "gemini": b"""\
// mine
{
  "mcpServers": {
    "other": {}, // made by hand
    "seedance": {
      "command": "/opt/uv/uvx",
      "args": [
        "seedance-mcp"
      ],
      "env": {
        "SEEDANCE_LOG_LEVEL": "info",
        "RUNCOMFY_API_TOKEN": "$RUNCOMFY_API_TOKEN"
      },
      "timeout": 600000
    },
  },
}
""",
    "zed": b"""\
// mine
{
  "context_servers": {
    "other": {}, // made by hand
    "seedance": {
      "command": "/opt/uv/uvx",
      "args": [
        "seedance-mcp"
      ],
      "env": {
        "SEEDANCE_LOG_LEVEL": "info"
      },
      "timeout": 300
    },
  },
}
""",
    "windsurf": REFERRING,
    "devin": WITHOUT_TOKEN,
    "cline": b"""\
// mine
{
  "mcpServers": {
    "other": {}, // made by hand
    "seedance": {
      "command": "/opt/uv/uvx",
      "args": [
        "seedance-mcp"
      ],
      "env": {
        "SEEDANCE_LOG_LEVEL": "info"
      },
      "timeout": 300
    },
  },
}
""",
    "goose": b"""\
extensions:
    other: {cmd: npx} # made by hand
    seedance:
        enabled: true
        type: stdio
        name: seedance
        description: "Makes video clips with ByteDance Seedance"
        cmd: /opt/uv/uvx
        args: ["seedance-mcp"]
        envs:
            SEEDANCE_LOG_LEVEL: info
        env_keys: ["RUNCOMFY_API_TOKEN"]
        timeout: 300
last: []
""",
    "opencode": b"""\
// mine
{
  "mcp": {
    "other": {}, // made by hand
    "seedance": {
      "type": "local",
      "command": [
        "/opt/uv/uvx",
        "seedance-mcp"
      ],
      "environment": {
        "SEEDANCE_LOG_LEVEL": "info",
        "RUNCOMFY_API_TOKEN": "{env:RUNCOMFY_API_TOKEN}"
      }
    },
  },
}
""",
    "lm-studio": WITHOUT_TOKEN,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_the_file_of_each_client_becomes_what_is_written_here(client: str, tmp_path: Path) -> None:
    described, machine = CLIENTS[client], empty_machine(tmp_path, "linux")
    [file] = described.files(machine)
    file.parent.mkdir(parents=True)
    before = for_client(client, BEFORE[described.form])
    file.write_bytes(before)
    records = Records(tmp_path / "state")
    install(described, SERVER, machine, records, Clock())
    assert file.read_bytes() == AFTER[client]
    uninstall(described, machine, records, Clock())
    assert file.read_bytes() == before
