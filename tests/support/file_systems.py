"""Folders without file locks: the kernel refuses a thread's lock calls, as such folders do."""

import ctypes
import platform
import struct
import sys
from collections.abc import Awaitable, Callable
from threading import Thread

import anyio

from .virtual_time import VirtualTimeLoop

# The numbers of the system calls `flock` and `fcntl`, and what locks with the latter.
_FLOCK, _FCNTL = {"x86_64": (73, 72), "aarch64": (32, 25)}.get(platform.machine(), (-1, -1))
_F_SETLK, _F_SETLKW = 6, 7

# From Linux's <linux/prctl.h>, <linux/seccomp.h> and <linux/bpf_common.h>.
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_RETURN_ERROR, _ALLOW = 0x0005_0000, 0x7FFF_0000
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_AT_NUMBER, _AT_SECOND_ARGUMENT = 0, 24

CAN_FORBID_LOCKS = sys.platform == "linux" and _FLOCK > 0
"""Whether this machine can do that."""


def run_without_locks(
    body: Callable[[], Awaitable[None]], error: int, *, sqlite: bool = False
) -> None:
    """Run a function in a thread, in virtual time; `flock` fails there with an error number.

    With `sqlite`, the locks of SQLite, which are those of `fcntl`, fail as well. Threads that the
    function starts have no locks either; all others have.
    """
    raised: list[BaseException] = []

    def run() -> None:
        try:
            _forbid_locks(error, sqlite=sqlite)
            anyio.run(body, backend_options={"loop_factory": VirtualTimeLoop})
        except BaseException as failure:  # noqa: BLE001 - raised again below
            raised.append(failure)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]


def _forbid_locks(error: int, *, sqlite: bool) -> None:
    """Have the kernel refuse this thread's lock calls from now on."""
    steps = [
        _step(_LOAD, _AT_NUMBER),
        _step(_JUMP_IF_EQUAL, _FLOCK, otherwise=1),
        _step(_RETURN, _RETURN_ERROR | error),
    ]
    if sqlite:
        steps += [
            _step(_JUMP_IF_EQUAL, _FCNTL, otherwise=4),
            _step(_LOAD, _AT_SECOND_ARGUMENT),
            _step(_JUMP_IF_EQUAL, _F_SETLK, then=1),
            _step(_JUMP_IF_EQUAL, _F_SETLKW, otherwise=1),
            _step(_RETURN, _RETURN_ERROR | error),
        ]
    steps.append(_step(_RETURN, _ALLOW))
    program = ctypes.create_string_buffer(b"".join(steps))
    address = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(program))
    system = ctypes.CDLL(None)
    assert system.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert system.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, address, 0, 0) == 0


def _step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    """Return one instruction; a jump skips so many of the next ones."""
    return struct.pack("HBBI", code, then, otherwise, value)
