"""Serving one client on stdin and stdout, on which nothing but JSON-RPC goes.

The end of stdin, SIGTERM and SIGINT end the process with exit code 0 within a second.
"""

import json
import os
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from math import inf
from typing import IO, Any, cast

import anyio
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp_types import PARSE_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter
from pydantic import ValidationError

from seedance_mcp.mcp_server.app import SeedanceServer
from seedance_mcp.text import one_line

from .shutdown import end_process, until_signal

LAST_WORDS_SECONDS = 0.9
"""How long the process may go on after stdin has ended."""


async def serve_stdio(server: SeedanceServer) -> None:
    """Serve one client on stdin and stdout."""
    with _stdout_for_protocol() as wire, _stdin_for_protocol() as inbox:
        server.answers_left = lambda: wire.clear
        async with anyio.create_task_group() as tasks:
            async with stdio_server(stdin=inbox, stdout=wire) as (reading, writing):
                tasks.start_soon(inbox.take_in, writing.send)
                await _serve(server, reading, writing)
            # Until here an answer that nobody reads may have held things up.
            tasks.cancel_scope.cancel()


async def _serve(server: SeedanceServer, reading: Any, writing: Any) -> None:
    # Nothing but the end of stdin wakes the SDK's reader, so only that leads back from here.
    try:
        async with until_signal(server) as serving:
            await server.run(reading, writing, server.create_initialization_options())
    except Exception as error:  # noqa: BLE001 - the process ends here
        end_process(error)
    if serving.cancelled_caught:
        end_process(None)


class _Inbox(anyio.AsyncFile[str]):
    """The client's messages, a line each, taken in as they come.

    So the end of stdin is seen at once, though the client may have left answers unread that hold
    up all others. A line that cannot be read is answered here: the SDK passes over it, and its
    sender would wait for ever.
    """

    def __init__(self, file: IO[str]) -> None:
        super().__init__(file)
        self._send, self._receive = anyio.create_memory_object_stream[str](inf)

    async def readline(self) -> str:
        """Give the next line that is a message, and nothing at the end."""
        try:
            return await self._receive.receive()
        except anyio.EndOfStream:
            return ""

    async def take_in(self, answer: Callable[[SessionMessage], Awaitable[None]]) -> None:
        """Take lines in until stdin ends; some time after that, end the process."""
        with self._send:
            while line := await super().readline():
                if (fault := _fault(line)) is None:
                    self._send.send_nowait(line)
                else:
                    await answer(SessionMessage(fault))
        await anyio.sleep(LAST_WORDS_SECONDS)
        end_process(None)


def _fault(line: str) -> JSONRPCError | None:
    """Say what is wrong with a line; None for a message."""
    try:
        jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError as error:
        why = error.errors(include_input=False, include_url=False)[0]["msg"]
    else:
        return None
    message = _leniently_read(line)
    if message is not None and _has_half_a_pair(message):
        why = "a text in it holds half of a surrogate pair"
    line = (
        f"The line cannot be read as JSON-RPC: {one_line(why, 200)}. Nothing was done or charged."
    )
    return JSONRPCError(
        jsonrpc="2.0", id=_id(message), error=ErrorData(code=PARSE_ERROR, message=line)
    )


def _leniently_read(line: str) -> dict[str, object] | None:
    try:
        message: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", message) if isinstance(message, dict) else None


def _has_half_a_pair(message: dict[str, object]) -> bool:
    try:
        json.dumps(message, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _id(message: dict[str, object] | None) -> str | int | None:
    """Give the id of a message that a more lenient reader understands."""
    given = (message or {}).get("id")
    if isinstance(given, str):
        # Half of a surrogate pair could not be written.
        return given if given.isprintable() else None
    return given if isinstance(given, int) and not isinstance(given, bool) else None


class _Wire(anyio.AsyncFile[str]):
    """The client's pipe, which knows whether all that was written has left.

    A client that has gone is no fault: its end of stdin says the same, and ends the process.
    """

    clear = True

    async def write(self, b: str) -> int:  # type: ignore[override]
        """Write a message."""
        self.clear = False
        return await super().write(b)

    async def flush(self) -> None:
        """See a message off."""
        try:
            await super().flush()
        except BrokenPipeError:
            # What could not be sent would be tried again with every message to come.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.wrapped.fileno())
            os.close(null)
            return
        self.clear = True


@contextmanager
def _stdin_for_protocol() -> Generator[_Inbox, None, None]:
    """Take stdin for the protocol alone; whatever else reads it meets its end."""
    private = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    stdin = os.fdopen(private, encoding="utf-8", errors="replace", closefd=False)
    try:
        yield _Inbox(stdin)
    finally:
        os.dup2(private, 0)
        os.close(private)


@contextmanager
def _stdout_for_protocol() -> Generator[_Wire, None, None]:
    """Take stdout for the protocol alone; whatever a library prints goes to stderr."""
    private = os.dup(1)
    try:
        os.dup2(2, 1)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    stdout = os.fdopen(private, "w", encoding="utf-8", newline="\n", closefd=False)
    try:
        yield _Wire(stdout)
    finally:
        os.dup2(private, 1)
        os.close(private)
