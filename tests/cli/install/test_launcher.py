"""How a client starts the server, by how this program was started."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from seedance_mcp.cli.install.launcher import NoLauncher, Start, command_of, find_uvx, read_start
from seedance_mcp.cli.install.machine import Machine, System

CACHE = "/home/me/.cache/uv/archive-v0/Ejf6LU5n/bin/seedance-mcp"
UVX = ["/home/me/.local/bin/uvx"]
COMMIT = "0f5c6b3a"


def start(
    script: str | None,
    origin: Mapping[str, Any] | None = None,
    *,
    video: bool = False,
    uvx: list[str] | None = UVX,
    system: System = "linux",
) -> Start:
    return Start(
        system=system,
        python="/usr/bin/python3",
        script=script,
        origin=origin,
        video=video,
        uvx=uvx,
    )


@pytest.mark.parametrize(
    "script",
    [
        "/home/me/project/.venv/bin/seedance-mcp",
        "/home/me/.local/share/uv/tools/seedance-mcp/bin/seedance-mcp",
        "/home/me/.local/share/pipx/venvs/seedance-mcp/bin/seedance-mcp",
        "/home/me/.local/bin/seedance-mcp",
        r"C:\Users\me\AppData\Roaming\uv\tools\seedance-mcp\Scripts\seedance-mcp.exe",
        "/mnt/archive-v0.bak/bin/seedance-mcp",
    ],
)
def test_an_environment_that_lasts_starts_its_own_script(script: str) -> None:
    origin = {"url": "file:///home/me/project", "dir_info": {"editable": True}}
    assert command_of(start(script, origin, video=True, uvx=None)) == [script]


def test_sources_without_a_script_are_started_as_a_module() -> None:
    assert command_of(start(None)) == ["/usr/bin/python3", "-m", "seedance_mcp"]


@pytest.mark.parametrize(
    "script",
    [
        CACHE,
        "/home/me/.cache/uv/builds-v0/.tmpdpQfmy/bin/seedance-mcp",
        "/home/me/.cache/uv/environments-v2/a/bin/seedance-mcp",
        "/home/me/.cache/pipx/0f1e/bin/seedance-mcp",
        "/home/me/.local/share/pipx/.cache/0f1e/bin/seedance-mcp",
        "/Users/me/Library/Caches/pipx/0f1e/bin/seedance-mcp",
        r"C:\Users\me\AppData\Local\uv\cache\archive-v0\x\Scripts\seedance-mcp.exe",
        r"C:\Users\me\AppData\Local\pipx\pipx\Cache\x\Scripts\seedance-mcp.exe",
    ],
)
def test_one_in_a_cache_is_made_again_by_uvx(script: str) -> None:
    assert command_of(start(script)) == [*UVX, "seedance-mcp"]
    assert command_of(start(script, uvx=["/uv", "tool", "run"])) == [
        *("/uv", "tool", "run", "seedance-mcp"),
    ]
    with pytest.raises(NoLauncher, match="uvx was not found"):
        command_of(start(script, uvx=None))


@pytest.mark.parametrize(
    ("origin", "source", "with_video"),
    [
        (None, None, "seedance-mcp[video]"),
        ({"nonsense": 1}, None, "seedance-mcp[video]"),
        (
            {"url": "https://h/o/r.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"git+https://h/o/r.git@{COMMIT}",
            f"seedance-mcp[video] @ git+https://h/o/r.git@{COMMIT}",
        ),
        (
            {
                "url": "https://me:s3cret@h:1/r",
                "vcs_info": {"vcs": "git", "commit_id": COMMIT, "requested_revision": "main"},
                "subdirectory": "server",
            },
            f"git+https://h:1/r@{COMMIT}#subdirectory=server",
            f"seedance-mcp[video] @ git+https://h:1/r@{COMMIT}#subdirectory=server",
        ),
        (
            {"url": "ssh://git:s3cret@h/r", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
            f"git+ssh://git@h/r@{COMMIT}",
            f"seedance-mcp[video] @ git+ssh://git@h/r@{COMMIT}",
        ),
        (
            {"url": "file:///home/me/my%20%5Bbest%5D%20code", "dir_info": {}},
            "/home/me/my [best] code",
            "seedance-mcp[video] @ file:///home/me/my%20%5Bbest%5D%20code",
        ),
        (
            {"url": "file:///d/seedance_mcp-1-py3-none-any.whl", "archive_info": {}},
            "/d/seedance_mcp-1-py3-none-any.whl",
            "seedance-mcp[video] @ file:///d/seedance_mcp-1-py3-none-any.whl",
        ),
        (
            {"url": "https://h/seedance_mcp-1-py3-none-any.whl", "archive_info": {}},
            "https://h/seedance_mcp-1-py3-none-any.whl",
            "seedance-mcp[video] @ https://h/seedance_mcp-1-py3-none-any.whl",
        ),
    ],
)
def test_uvx_takes_the_package_from_where_this_one_came(
    origin: Mapping[str, Any] | None, source: str | None, with_video: str
) -> None:
    expected = ["--from", source] if source else []
    assert command_of(start(CACHE, origin)) == [*UVX, *expected, "seedance-mcp"]
    expected = ["--from", with_video]
    assert command_of(start(CACHE, origin, video=True)) == [*UVX, *expected, "seedance-mcp"]


@pytest.mark.parametrize(
    ("url", "path"),
    [("file:///C:/my%20code", r"C:\my code"), ("file://host/share/code", r"\\host\share\code")],
)
def test_a_folder_of_windows_is_spelt_as_there(url: str, path: str) -> None:
    command = command_of(start(CACHE, {"url": url, "dir_info": {}}, system="win32"))
    assert command == [*UVX, "--from", path, "seedance-mcp"]


def executable(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n", "utf-8")
    path.chmod(0o755)
    return str(path)


def test_uvx_is_found_beside_the_uv_that_runs_then_in_the_path_then_where_it_usually_is(
    tmp_path: Path,
) -> None:
    home, root = tmp_path / "home", tmp_path / "root"
    environment = {"UV": str(tmp_path / "uv" / "uv"), "PATH": f"relative:{tmp_path / 'bin'}"}
    machine = Machine(system="linux", home=home, environment=environment, root=root)
    assert find_uvx(machine) is None
    uv = executable(tmp_path / "uv" / "uv")
    assert find_uvx(machine) == [uv, "tool", "run"]
    found: list[list[str] | None] = []
    places = [home / ".cargo/bin", root / "usr/local/bin", root / "opt/homebrew/bin"]
    places += [home / ".local/bin", tmp_path / "bin", tmp_path / "uv"]
    for place in places:
        executable(place / "uvx")
        found.append(find_uvx(machine))
    assert found == [[str(place / "uvx")] for place in places]


def test_a_link_to_uvx_that_outlives_an_upgrade_is_taken_in_its_place(tmp_path: Path) -> None:
    cellar = tmp_path / "Cellar" / "uv" / "0.13.9" / "bin"
    link = tmp_path / "opt" / "homebrew" / "bin" / "uvx"
    link.parent.mkdir(parents=True)
    link.symlink_to(executable(cellar / "uvx"))
    executable(tmp_path / "bin" / "uvx")
    environment = {"UV": str(cellar / "uv"), "PATH": f"{cellar}:{tmp_path / 'bin'}"}
    machine = Machine(system="linux", home=tmp_path, environment=environment, root=tmp_path)
    assert find_uvx(machine) == [str(link)]


def test_on_windows_it_is_uvx_exe(tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "uvx")
    uvx = executable(tmp_path / "bin" / "uvx.exe")
    environment = {"PATH": str(tmp_path / "bin")}
    machine = Machine(system="win32", home=tmp_path, environment=environment, root=tmp_path)
    assert find_uvx(machine) == [uvx]


def test_a_uvx_that_is_not_there_everywhere_or_does_not_run_is_none(tmp_path: Path) -> None:
    Path(executable(tmp_path / "bin" / "uvx")).chmod(0o644)
    executable(tmp_path / "here" / "uvx")
    here = os.path.relpath(tmp_path / "here")
    environment = {"PATH": os.pathsep.join([here, str(tmp_path / "bin")])}
    machine = Machine(system="linux", home=tmp_path, environment=environment, root=tmp_path)
    assert find_uvx(machine) is None


def test_a_uvx_that_is_in_a_cache_itself_is_none(tmp_path: Path) -> None:
    folder = tmp_path / "archive-v0" / "x" / "bin"
    executable(folder / "uvx")
    environment = {"UV": str(folder / "uv"), "PATH": str(folder)}
    machine = Machine(system="linux", home=tmp_path, environment=environment, root=tmp_path)
    assert find_uvx(machine) is None


def test_this_program_starts_by_the_script_of_its_environment(tmp_path: Path) -> None:
    machine = Machine(system="linux", home=tmp_path, environment={}, root=tmp_path)
    command = command_of(read_start(machine))
    assert command == [str(Path(sys.executable).with_name("seedance-mcp"))]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("seedance-mcp ")
