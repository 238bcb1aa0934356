"""Pack the bundle for Claude Desktop, and start it as Claude Desktop does: `make bundle`."""

import argparse
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import anyio
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from conformance.common import exit_on_signals, refusing_url, say, without_settings

from ._bundle import stage
from ._project import ROOT, load_project

INSTALLED = ROOT / ".packages" / "node_modules"
MCPB = str(INSTALLED / ".bin" / "mcpb")
LIBRARY = str(INSTALLED / "@anthropic-ai" / "mcpb" / "dist" / "index.js")
FILL_IN = """
import { readFileSync } from "fs";
const [library, folder, token] = process.argv.slice(1);
const { getMcpConfigForManifest } = await import(library);
const manifest = JSON.parse(readFileSync(folder + "/manifest.json"));
const filled = { extensionPath: folder, systemDirs: {}, userConfig: { token }, pathSeparator: "/" };
console.log(JSON.stringify(await getMcpConfigForManifest({ manifest, ...filled })));
"""
"""Prints how a bundle's server is started, its arguments and variables filled in."""
START_SECONDS = 300
"""How long the first start may take, which downloads what the server needs."""
TOKEN = "made-up"  # noqa: S105 - it reaches nothing
EPOCH = (1980, 1, 1, 0, 0, 0)
"""When every file of a bundle was changed, so that the same sources make the same bytes."""


def pack(folder: Path, bundle: Path) -> None:
    """Validate and pack a folder with the official tool."""
    packed = folder.with_suffix(".packed")
    subprocess.run([MCPB, "validate", str(folder)], check=True)
    subprocess.run([MCPB, "pack", str(folder), str(packed)], check=True, stdout=subprocess.DEVNULL)
    bundle.parent.mkdir(exist_ok=True)
    with ZipFile(packed) as source, ZipFile(bundle, "w", ZIP_DEFLATED) as target:
        for entry in sorted(source.infolist(), key=lambda entry: entry.filename):
            info = ZipInfo(entry.filename, EPOCH)
            info.compress_type = ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            target.writestr(info, source.read(entry))


def server_parameters(folder: Path, uv: str, home: Path, url: str) -> StdioServerParameters:
    """Return how Claude Desktop starts an unpacked bundle when only the token was given.

    The official tool fills in the values; the command is that of Claude Desktop's own uv.
    """
    command = ["node", "--input-type=module", "--eval", FILL_IN, LIBRARY, str(folder), TOKEN]
    printed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    config: Mapping[str, Any] = json.loads(printed)
    env = without_settings(os.environ) | config["env"]
    env |= {"HOME": str(home), "RUNCOMFY_API_BASE_URL": url}
    env.pop("VIRTUAL_ENV", None)
    return StdioServerParameters(command=uv, args=config["args"], env=env, cwd=home)


async def check(folder: Path, uv: str, home: Path) -> None:
    """Start an unpacked bundle in an empty home, and compare what it lists with its manifest."""
    contents = json.loads((folder / "manifest.json").read_text("utf-8"))
    with refusing_url() as url, anyio.fail_after(START_SECONDS):
        async with Client(server_parameters(folder, uv, home, url)) as client:
            tools = [tool.name for tool in (await client.list_tools()).tools]
            prompts = [prompt.name for prompt in (await client.list_prompts()).prompts]
    assert tools == [tool["name"] for tool in contents["tools"]], tools  # noqa: S101 - a check
    assert prompts == [each["name"] for each in contents["prompts"]], prompts  # noqa: S101 - a check
    say(f"Started with uv, it lists {len(tools)} tools and {len(prompts)} prompts.")


def main() -> None:
    """Make `dist/NAME-VERSION.mcpb`, and check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uv", required=True, help="the uv that starts the bundle")
    uv = str(Path(parser.parse_args().uv).absolute())
    exit_on_signals()
    project = load_project()
    bundle = ROOT / "dist" / f"{project.name}-{project.version}.mcpb"
    with tempfile.TemporaryDirectory() as name:
        staged, unpacked, home = (Path(name) / part for part in ("staged", "unpacked", "home"))
        staged.mkdir()
        home.mkdir()
        stage(staged)
        pack(staged, bundle)
        subprocess.run([MCPB, "unpack", str(bundle), str(unpacked)], check=True)
        anyio.run(check, unpacked, uv, home)
    data = bundle.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    say(f"{bundle.relative_to(ROOT)}: {len(data):,} bytes, sha256 {digest}")


if __name__ == "__main__":
    main()
