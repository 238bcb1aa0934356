"""Which folder of the package may know which: a new module needs no row, a new folder does."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import seedance_mcp
from tests.support.timeouts import TIMEOUT_SECONDS

ROOT = Path(seedance_mcp.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))

# What each folder may import besides itself: other folders, and modules of the root ("" is it).
ROOMS = {
    "observability": "errors text",
    "models": "errors text",
    "jobs": "errors text",
    "spending": "jobs models errors",
    "polling": "jobs clock",
    "runcomfy": "jobs observability errors text clock retry http_heads proxies",
    "ledger": "jobs spending errors text clock file_locks",
    "inputs": "clips models errors text http_heads one_at_a_time",
    "outputs": "jobs errors text clock retry file_locks http_heads proxies",
    "clips": "errors text file_locks",
}
LIBRARIES = (
    "bounded errors text clock retry file_locks one_at_a_time proxies setting_values settings"
    " hosting_settings"
)
ALLOWED = ROOMS | {
    "service": f"{LIBRARIES} {' '.join(ROOMS)}",
    "mcp_server": f"{LIBRARIES} {' '.join(ROOMS)} service",
    "simulator": "models errors",
    "cli": f"{LIBRARIES} mcp_server observability service simulator",
    "": f"{LIBRARIES} cli",
}
# These do no I/O, but for `models`, which reads its own JSON as a resource of the package.
PURE = {"models", "jobs", "spending", "polling"}
IO = "anyio asyncio os sys io socket subprocess threading tempfile shutil urllib http"
# Who may import what lies outside of the package; the simulator is RunComfy, not part of serving.
OUTSIDE = {
    "mcp": {"mcp_server"},
    "mcp_types": {"mcp_server"},
    "httpx": {"", "runcomfy", "inputs", "outputs", "mcp_server", "simulator"},
    "sqlite3": {"ledger"},
    "psycopg": {"ledger"},
    "prometheus_client": {"observability"},
    "opentelemetry": {"observability"},
    "av": {"clips", "simulator"},
    **dict.fromkeys(["pathlib", "importlib"], ALLOWED.keys() - PURE | {"models"}),
    **dict.fromkeys(IO.split(), ALLOWED.keys() - PURE),
}
READS_THE_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv"}


def folder(path: Path) -> str:
    return path.relative_to(ROOT).parts[0] if path.parent != ROOT else ""


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield the full dotted names that a module imports, in parts, wherever in it."""
    package = ("seedance_mcp", *path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = (*above, *(node.module or "").split(".")) if node.module else above
            yield from ((*base, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_folder_may(path: Path) -> None:
    assert [name for name in imported(path) if not may_import(path, *name)] == []


def may_import(path: Path, first: str, *rest: str) -> bool:
    """Return whether a module may import a name of the package, or of a library."""
    here = folder(path)
    if first != "seedance_mcp":
        return here in OUTSIDE.get(first, {here})
    if rest == ("__version__",):
        return True
    # What begins with an underscore is for its own folder's use.
    private = (n for n, part in enumerate(rest) if part[0] == "_" and part.islower())
    home = ROOT.joinpath(*rest[: next(private, 0)])
    return rest[0] in {here, *ALLOWED[here].split()} and path.is_relative_to(home)


def test_only_a_module_that_other_folders_use_has_a_name_without_underscore() -> None:
    # The simulator and the script have users outside of the package.
    public = {
        path.relative_to(ROOT).with_suffix("").parts
        for path in MODULES
        if path.name[0] != "_" and folder(path) not in {"", "simulator", "cli"}
    }
    used = {
        name[1:-1]
        for path in MODULES
        for name in imported(path)
        if not path.is_relative_to(ROOT.joinpath(*name[1:-2]))
    }
    assert public - used == set()


def test_every_folder_says_what_it_owns_and_imports_nothing_for_it() -> None:
    doors = [path for path in MODULES if path.name == "__init__.py" and path.parent != ROOT]
    bodies = [ast.parse(path.read_text("utf-8")) for path in doors]
    assert [path for path, body in zip(doors, bodies, strict=True) if len(body.body) != 1] == []
    assert all(ast.get_docstring(body) for body in bodies)


def test_only_settings_reads_the_environment_which_the_command_passes_to_it() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute | ast.Name)
        and (node.attr if isinstance(node, ast.Attribute) else node.id) in READS_THE_ENVIRONMENT
    }
    assert users == {"settings.py", "cli/main.py"}
    assert (ROOT / "cli/main.py").read_text("utf-8").count("os.environ") == 1


def run(code: str) -> str:
    """Run code in a fresh interpreter; give what it printed to stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT_SECONDS,
    )
    return done.stdout + done.stderr


def test_importing_a_module_has_no_side_effects() -> None:
    # __main__ is the command itself; the simulator's drawing needs packages of an extra.
    left_out = {"seedance_mcp.__main__"}
    names = [
        ".".join(["seedance_mcp", *path.relative_to(ROOT).with_suffix("").parts])
        for path in MODULES
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


def test_importing_the_server_does_not_import_what_it_may_never_need() -> None:
    # The SDK itself imports uvicorn; what counts is what this package adds to it.
    sdk = "mcp.server.lowlevel, mcp.server.context, mcp.server.stdio, mcp.shared.exceptions"
    heavy = (
        *("av", "PIL", "uvicorn", "jinja2", "jsonschema", "sqlite3", "psycopg", "jwt"),
        *("prometheus_client", "opentelemetry.sdk"),
        *("seedance_mcp.service.factory", "seedance_mcp.simulator", "seedance_mcp.cli"),
    )
    seen = run(
        f"import sys, {sdk}\n"
        "before = set(sys.modules)\n"
        "import seedance_mcp.mcp_server.app\n"
        f"print(sorted((set(sys.modules) - before) & set({heavy})))"
    )
    assert seen == "[]\n"


def test_importing_the_command_imports_neither_the_sdk_nor_the_simulator() -> None:
    seen = run(
        "import sys, seedance_mcp.cli.main\n"
        "print(sorted({'mcp', 'uvicorn', 'PIL', 'av', 'seedance_mcp.simulator'}"
        " & set(sys.modules)))"
    )
    assert seen == "[]\n"


def test_no_test_module_imports_another() -> None:
    tests = Path(__file__).parent
    shared = [
        (path.relative_to(tests).as_posix(), node.module)
        for path in tests.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
        if node.module.rpartition(".")[2].startswith("test_")
    ]
    assert shared == []
