import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import seedance_mcp

ROOT = Path(seedance_mcp.__file__).parent

# Every module imports only from rows above its own; a new module must be given its row here.
ROWS = [
    {"errors", "version", "orientation", "turns", "observations"},
    {"schema", "durations", "jobs", "addresses", "pictures", "preview", "file_locks", "signatures"},
    {"changes", "resource_uris", "polling", "throttle"},
    {"refusals", "arguments", "surroundings", "image_rules", "looks", "local_files", "fetching"},
    {"file_names", "claims", "pricing"},
    {"part_note", "connections"},
    {"wire", "reading", "converting", "part_file", "spending"},
    {"exchange", "settings", "local_pictures", "download"},
    {"images", "client", "store", "migrations", "presence", "rows"},
    {"sqlite_store", "records", "reports"},
    {"asking", "pace"},
    {"pollers"},
    {"following", "submissions", "progress", "saving", "catalogue"},
    {"buying"},
    {"service", "next_steps"},
    {"answers", "opening"},
    {"listing", "announcements", "completion", "prompts"},
    {"tools", "tasks", "resources"},
    {"video_tasks"},
    {"server"},
    {"ending"},
    {"serve_stdio", "serve_http"},
    {"simulator"},
    {"demo"},
    {"cli"},
    {"__main__"},
]
PURE = {
    "errors",
    "schema",
    "durations",
    "polling",
    "observations",
    "jobs",
    "changes",
    "resource_uris",
    "refusals",
    "arguments",
    "surroundings",
    "wire",
    "pricing",
    "spending",
}
MCP = {
    "listing",
    "tools",
    "tasks",
    "video_tasks",
    "announcements",
    "resources",
    "completion",
    "prompts",
    "server",
    "serve_stdio",
    "serve_http",
    "demo",
}
READS_THE_ENVIRONMENT = {"settings", "cli"}
# What does I/O or is foreign to arithmetic on values: no pure module imports it.
EFFECTS = {"httpx", "anyio", "asyncio", "sqlite3", "os", "sys", "socket", "subprocess", "threading"}


def modules() -> dict[str, list[Path]]:
    """Give the package's parts by name, the simulator as one of many files."""
    parts: dict[str, list[Path]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        place = path.relative_to(ROOT)
        name = place.parts[0] if len(place.parts) > 1 else path.stem
        parts.setdefault("version" if name == "__init__" else name, []).append(path)
    return parts


MODULES = modules()


def imported(path: Path) -> Iterator[str]:
    """Give the full names that a file imports, wherever in it."""
    package = ["seedance_mcp", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def own_imports(name: str) -> set[str]:
    """Give the other parts of the package that one imports."""
    found: set[str] = set()
    for path in MODULES[name]:
        for full in imported(path):
            first, *rest = full.split(".")
            if first == "seedance_mcp":
                found.add(rest[0] if rest and rest[0] in MODULES else "version")
    return found - {name}


def foreign_imports(name: str) -> set[str]:
    """Give the top-level packages that a part imports."""
    found = {full.split(".")[0] for path in MODULES[name] for full in imported(path)}
    return found - {"seedance_mcp"}


def test_every_module_has_its_row() -> None:
    assert [name for name in MODULES if sum(name in row for row in ROWS) != 1] == []


def test_imports_go_upwards_only() -> None:
    rank = {name: number for number, row in enumerate(ROWS) for name in row}
    downwards = [
        f"{name} imports {other}"
        for name in MODULES
        for other in sorted(own_imports(name))
        if rank[other] >= rank[name]
    ]
    assert downwards == []


def test_the_simulator_takes_only_the_model_and_the_errors_from_outside_itself() -> None:
    assert own_imports("simulator") <= {"schema", "errors", "version"}


@pytest.mark.parametrize("lazy", ["simulator", "demo"])
def test_nothing_that_serves_imports_the_simulator_or_the_demonstration(lazy: str) -> None:
    assert {name for name in MODULES if lazy in own_imports(name)} <= {"demo", "cli"}


def test_only_the_mcp_row_imports_the_sdk() -> None:
    users = {name for name in MODULES if foreign_imports(name) & {"mcp", "mcp_types"}}
    assert users <= MCP
    assert {"listing", "tools", "server"} <= users


def test_only_the_network_seam_knows_httpx() -> None:
    users = {name for name in MODULES if "httpx" in foreign_imports(name)}
    assert users <= {
        "connections",
        "exchange",
        "client",
        "server",
        "opening",
        "images",
        "fetching",
        "reading",
        "download",
        "simulator",
        "demo",
    }


@pytest.mark.parametrize("name", sorted(PURE))
def test_a_pure_module_imports_nothing_that_acts(name: str) -> None:
    assert foreign_imports(name) & EFFECTS == set()


def mentions_the_environment(path: Path) -> bool:
    """Tell whether a file names the process's environment."""
    names = {
        node.attr if isinstance(node, ast.Attribute) else node.id
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute | ast.Name)
    }
    named = {full.split(".")[-1] for full in imported(path)}
    return bool((names | named) & {"environ", "environb", "getenv", "getenvb", "putenv"})


def test_only_the_command_touches_the_environment_and_only_settings_reads_it() -> None:
    # `environ` is what load_settings calls its mapping; cli passes os.environ as that.
    users = {name for name in MODULES if any(map(mentions_the_environment, MODULES[name]))}
    assert users == READS_THE_ENVIRONMENT
    assert "os" not in foreign_imports("settings")
    (cli,) = MODULES["cli"]
    assert cli.read_text("utf-8").count("os.environ") == 1
    assert "load_settings(os.environ)" in cli.read_text("utf-8")


def run(code: str) -> str:
    """Run code in a fresh interpreter; give what it printed to stdout and stderr."""
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout + done.stderr


def test_importing_a_module_does_nothing_that_can_be_seen() -> None:
    # __main__ is the command itself; the simulator's drawing needs packages of an extra.
    left_out = {"seedance_mcp.__main__"}
    names = [
        ".".join(["seedance_mcp", *path.relative_to(ROOT).with_suffix("").parts])
        for paths in MODULES.values()
        for path in paths
    ]
    names = sorted({name.removesuffix(".__init__") for name in names} - left_out)
    seen = run(
        "import importlib, logging, os, signal, threading\n"
        "before = (os.getcwd(), dict(os.environ), logging.root.handlers[:],"
        " signal.getsignal(signal.SIGINT))\n"
        f"for name in {names}: importlib.import_module(name)\n"
        "after = (os.getcwd(), dict(os.environ), logging.root.handlers[:],"
        " signal.getsignal(signal.SIGINT))\n"
        "assert after == before\n"
        "assert threading.enumerate() == [threading.main_thread()]\n"
    )
    assert seen == ""


def test_importing_the_server_brings_nothing_that_it_may_never_need() -> None:
    # The SDK itself imports uvicorn; what counts is what this package adds to it.
    sdk = "mcp.server.lowlevel, mcp.server.context, mcp.server.stdio, mcp.shared.exceptions"
    heavy = ("av", "PIL", "uvicorn", "jinja2", "seedance_mcp.simulator", "seedance_mcp.demo")
    seen = run(
        f"import sys, {sdk}\n"
        "before = set(sys.modules)\n"
        "import seedance_mcp.server\n"
        f"print(sorted((set(sys.modules) - before) & set({heavy})))"
    )
    assert seen == "[]\n"


def test_importing_the_command_brings_neither_the_sdk_nor_the_simulator() -> None:
    seen = run(
        "import sys, seedance_mcp.cli\n"
        "print(sorted({'mcp', 'uvicorn', 'PIL', 'av', 'seedance_mcp.simulator'}"
        " & set(sys.modules)))"
    )
    assert seen == "[]\n"
