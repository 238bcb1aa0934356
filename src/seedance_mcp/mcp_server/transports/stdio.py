"""Serves one client on stdin and stdout; only JSON-RPC is written to stdout.

SIGTERM and SIGINT end the process with exit code 0 within a second, and so does the end of stdin;
but after that a paid request that is under way is waited for, since a client that was killed sends
no signal, and the answer has the id of a job that costs money. Where the client reads no answers, a
signal takes some seconds.
"""

import logging
import os
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from io import TextIOWrapper
from math import inf
from typing import Any, BinaryIO, Self

import anyio
import mcp_types as types
from anyio import to_thread
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from seedance_mcp.mcp_server._server import SeedanceServer
from seedance_mcp.text import one_line

from ._lines import NO_BATCHES, PIECE_BYTES, TOO_LONG, LongLine, find_id, read_line
from ._probes import AfterProbes
from .shutdown import end_process, until_signal

logger = logging.getLogger(__name__)

END_SECONDS = 0.9
"""How long the process may run on after stdin has ended and paid requests are answered."""

STUCK_SECONDS = 3.0
"""How long after a signal's last answers the process may take to close everything, at most."""

_UNSENDABLE = "The answer cannot be sent: it is not valid Unicode."


async def serve_stdio(server: SeedanceServer) -> None:
    """Serve one client on stdin and stdout."""
    server.follow_jobs = True
    with _private_stdout() as wire, _private_stdin() as inbox:
        async with anyio.create_task_group() as tasks:
            async with stdio_server(stdin=inbox, stdout=wire) as (reading, writing):
                outbox = _Outbox(writing)
                tasks.start_soon(inbox.read_all, outbox.send, server.services.finish_purchases)

                async def finish() -> None:
                    await server.finish_calls()
                    tasks.start_soon(_end_if_stuck, server)

                await _serve(server, AfterProbes(server, reading, outbox), outbox, finish)
            # Until here, an answer that the client does not read may have blocked everything.
            tasks.cancel_scope.cancel()


async def _serve(
    server: SeedanceServer, reading: Any, writing: Any, finish: Callable[[], Awaitable[None]]
) -> None:
    # Only the end of stdin wakes the SDK's reader, so only that returns from here.
    try:
        async with until_signal(server, finish) as serving:
            await server.run(reading, writing, server.create_initialization_options())
    except Exception as error:  # noqa: BLE001 - the process ends here
        end_process(error)
    if serving.cancelled_caught:
        end_process(server.failure)


async def _end_if_stuck(server: SeedanceServer) -> None:
    """End the process although an answer that the client does not read blocks what is closed."""
    await anyio.sleep(STUCK_SECONDS)
    end_process(server.failure)


class _Inbox(anyio.AsyncFile[str]):
    """The client's messages, one a line, read as they come.

    The end of stdin is therefore seen at once, even if unread answers block the rest. An invalid
    line is answered here: the SDK ignores it, and its sender would wait forever.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(TextIOWrapper(file))
        self._file = file
        self._send, self._receive = anyio.create_memory_object_stream[str](inf)

    async def readline(self) -> str:
        """Return the next line that is a message, and "" at the end."""
        try:
            return await self._receive.receive()
        except anyio.EndOfStream:
            return ""

    async def read_all(
        self,
        answer: Callable[[SessionMessage], Awaitable[None]],
        finish: Callable[[], Awaitable[None]],
    ) -> None:
        """Read lines until stdin ends; then finish, and a second later end the process."""
        with self._send:
            while line := await to_thread.run_sync(read_line, self._file):
                if isinstance(line, LongLine):
                    await answer(_error(line.find_id(), types.INVALID_REQUEST, TOO_LONG))
                elif (error := _invalid(line)) is None:
                    self._send.send_nowait(line)
                else:
                    await answer(error)
            await finish()
        await anyio.sleep(END_SECONDS)
        end_process(None)


def _invalid(line: str) -> SessionMessage | None:
    """Return the answer to an invalid line; None for a message."""
    try:
        types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
    else:
        return None
    why = first["msg"]
    if first["type"] != "json_invalid" and line.lstrip().startswith("["):
        return _error(None, types.INVALID_REQUEST, NO_BATCHES)
    if "hex escape" in why:
        why = "a text in it contains a lone surrogate"
    message = f"The line is not valid JSON-RPC: {one_line(why, 200)}. Nothing was done or charged."
    return _error(find_id(line), types.PARSE_ERROR, message)


def _error(id_: str | int | None, code: int, message: str) -> SessionMessage:
    error = types.ErrorData(code=code, message=message)
    return SessionMessage(types.JSONRPCError(jsonrpc="2.0", id=id_, error=error))


class _Outbox:
    """The SDK's stream of messages to the client, which one that is not Unicode would end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def send(self, message: SessionMessage) -> None:
        """Send a message, an error in place of an answer that cannot be sent."""
        try:
            message.message.model_dump_json()
        except ValueError:
            logger.exception("A message cannot be sent")
            id_ = getattr(message.message, "id", None)
            if id_ is None:  # a notification, which its receiver does not wait for
                return
            message = _error(id_, types.INTERNAL_ERROR, _UNSENDABLE)
        await self._stream.send(message)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.aclose()


class _Wire(anyio.AsyncFile[str]):
    """The client's pipe, which may block, so that a thread sends: once a message.

    A client that is gone is not an error: the end of stdin says the same, and ends the process.
    """

    _unsent = ""

    async def write(self, b: Any) -> int:
        """Keep a text for the next `flush`."""
        self._unsent += b
        return len(b)

    async def flush(self) -> None:
        """Send what was written."""
        text, self._unsent = self._unsent, ""
        try:
            await to_thread.run_sync(self._send, text)
        except BrokenPipeError:
            # Without this, every later message would try to send the rest again.
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.wrapped.fileno())
            os.close(null)

    def _send(self, text: str) -> None:
        self.wrapped.write(text)
        self.wrapped.flush()


@contextmanager
def _private_stdin() -> Generator[_Inbox, None, None]:
    """Yield stdin for the protocol alone; everything else that reads stdin finds it empty."""
    private = os.dup(0)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    stdin = os.fdopen(private, "rb", PIECE_BYTES, closefd=False)
    try:
        yield _Inbox(stdin)
    finally:
        os.dup2(private, 0)
        os.close(private)


@contextmanager
def _private_stdout() -> Generator[_Wire, None, None]:
    """Yield stdout for the protocol alone; what libraries print goes to stderr."""
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
