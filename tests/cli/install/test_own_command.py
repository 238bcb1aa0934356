"""A client's own command is a program that may hang, lie, fail or say too much."""

import os
import sys
from pathlib import Path
from select import select

import pytest

from seedance_mcp.cli.install.machine import Machine, System
from seedance_mcp.cli.install.own_command import (
    MAX_OUTPUT_BYTES,
    OwnCommandFailed,
    find_program,
    run_program,
)
from tests.support.timeouts import TIMEOUT_SECONDS


def program(folder: Path, code: str, name: str = "client") -> Path:
    """Make a program of Python code."""
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{code}\n", "utf-8")
    path.chmod(0o755)
    return path


def run(folder: Path, code: str, *arguments: str, seconds: float = TIMEOUT_SECONDS) -> str:
    path = program(folder, code)
    return run_program(path, arguments, {"A": "b"}, folder=folder, seconds=seconds)


def failure(folder: Path, code: str, *, seconds: float = TIMEOUT_SECONDS) -> str:
    with pytest.raises(OwnCommandFailed) as caught:
        run(folder, code, seconds=seconds)
    return caught.value.message


def test_it_gets_its_arguments_a_closed_stdin_and_no_other_environment(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "print(sys.argv[1:], repr(sys.stdin.read()))\n"
        "print(os.environ['A'], os.getcwd(), 'HOME' in os.environ)"
    )
    assert run(tmp_path, code, "mcp", '{"a": "%b%"}') == (
        f"['mcp', '{{\"a\": \"%b%\"}}'] ''\nb {tmp_path} False\n"
    )


def test_one_that_hangs_is_stopped_with_what_it_started(tmp_path: Path) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    fifo = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    # Its child holds stdout and the FIFO open for as long as it lives.
    code = f"import os; os.system('exec sleep 1000 3> {held}')"
    assert failure(tmp_path, code, seconds=1) == '"client" did not end within 1 s.'
    assert select([fifo], [], [], TIMEOUT_SECONDS)[0] == [fifo]
    assert os.read(fifo, 1) == b""  # the end, as no process can write any more
    os.close(fifo)


def test_what_one_leaves_running_does_not_hold_the_answer_up(tmp_path: Path) -> None:
    code = "import subprocess; subprocess.Popen(['/bin/sleep', '1000']); print('done')"
    assert run(tmp_path, code) == "done\n"


def test_of_a_hundred_megabytes_the_beginning_is_kept(tmp_path: Path) -> None:
    text = run(tmp_path, "import sys\nfor _ in range(100): sys.stdout.write('x' * 1_000_000)")
    assert len(text) == MAX_OUTPUT_BYTES


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "import sys; sys.exit('a\\nnot \"this\" \\x1b[31mway')",
            '"client" failed: "not \'this\' [31mway".',
        ),
        ("import sys; print('on stdout'); sys.exit(3)", '"client" failed: "on stdout".'),
        ("import sys; sys.exit(3)", '"client" failed with exit code 3.'),
        ("import os; os.kill(os.getpid(), 9)", '"client" failed with exit code -9.'),
        (
            "import sys; sys.stderr.write('y' * 9999); sys.exit(1)",
            f'"client" failed: "{"y" * 199}…".',
        ),
    ],
)
def test_a_failure_is_one_quoted_line(tmp_path: Path, code: str, message: str) -> None:
    assert failure(tmp_path, code) == message


def test_one_that_cannot_be_started_is_said(tmp_path: Path) -> None:
    path = tmp_path / "client"
    path.write_bytes(b"\x7fELF broken")
    path.chmod(0o755)
    with pytest.raises(OwnCommandFailed, match="could not be started"):
        run_program(path, [], {}, folder=tmp_path)


@pytest.mark.parametrize(
    ("system", "name", "is_found"),
    [
        ("linux", "client", True),
        ("win32", "client.exe", True),
        ("win32", "client.cmd", False),
        ("win32", "client.bat", False),
    ],
)
def test_a_script_of_cmd_exe_is_not_run_as_it_takes_quotes_for_its_own(
    tmp_path: Path, system: System, name: str, *, is_found: bool
) -> None:
    path = program(tmp_path, "", name)
    machine = Machine(system=system, home=tmp_path, environment={"PATH": str(tmp_path)})
    assert find_program(name, machine) == (path if is_found else None)
    assert find_program("nothing", machine) is None


def test_what_lies_in_the_working_directory_is_not_run(tmp_path: Path) -> None:
    planted = program(tmp_path, "").parent
    for folder in (os.path.relpath(planted), "", "."):
        machine = Machine(system="linux", home=tmp_path, environment={"PATH": folder})
        assert find_program("client", machine) is None
    path = os.pathsep.join([os.path.relpath(planted), str(planted)])
    machine = Machine(system="linux", home=tmp_path, environment={"PATH": path})
    assert find_program("client", machine) == planted / "client"
