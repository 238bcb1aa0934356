"""What all tools share: a tool's definition with its handler, and one call of it.

Arguments are checked here, raw, before anything else happens, and every error of ours becomes one
line for the model, here and nowhere else.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types
from mcp_types.version import is_version_at_least

from seedance_mcp.errors import SeedanceError
from seedance_mcp.mcp_server._arguments import check_arguments
from seedance_mcp.mcp_server._asking import InputNeeded, asker, read_answer
from seedance_mcp.mcp_server._client_clock import ClientClock, call_key
from seedance_mcp.mcp_server._facts import Answer
from seedance_mcp.mcp_server._lazy_service import Context, LazyService
from seedance_mcp.mcp_server._progress import Notify
from seedance_mcp.models.model import JSONObject
from seedance_mcp.service.consent import Ask, UserAnswer, ask_no_one

from ._schemas import output_schema, portable_schema

if TYPE_CHECKING:
    from seedance_mcp.service.service import Service

logger = logging.getLogger(__name__)

INTERACTION_META_KEY = "anthropic/requiresUserInteraction"
"""What Claude Code asks its user for before each call of a tool that has it in `_meta`."""

LINKS_SINCE = "2025-06-18"
"""The first revision whose results may hold a `resource_link`."""

MIN_WAIT_SECONDS = 1.0
"""What is left for a call that waits, however long opening the service took."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The client that made a request.

    Attributes:
        protocol_version: The revision of the protocol that it has negotiated.
        clock: What is known of how long it waits; None if nothing is to be learned.
        ask: Asks its user whether to buy a clip.
        user_answer: What its user has said to the form of an earlier call, None if there was none.
    """

    lazy_service: LazyService
    notify: Notify
    protocol_version: str
    clock: ClientClock | None = None
    ask: Ask = ask_no_one
    user_answer: UserAnswer | None = None

    @classmethod
    def of(cls, context: Context, clock: ClientClock | None = None) -> "Caller":
        """Return the client in a context of the SDK."""
        return cls(
            lazy_service=context.lifespan_context,
            notify=context.session.report_progress,
            protocol_version=context.protocol_version,
            clock=clock,
            ask=asker(context),
        )

    def with_answer(self, params: types.CallToolRequestParams) -> "Caller":
        """Return the client with what a call brings of its user's answer."""
        return replace(self, user_answer=read_answer(params, self.protocol_version))

    def takes_links(self, attachments: Collection[str]) -> bool:
        """Return whether a `resource_link` may follow an answer's text."""
        return "link" in attachments and is_version_at_least(self.protocol_version, LINKS_SINCE)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a tool, its arguments checked and completed.

    Attributes:
        deadline: When its client gives it up, as far as that is known, on the event loop's clock;
            `wait_seconds` ends before it.
        repeats_since: When the first call began that it repeats; None if it repeats none.
    """

    service: "Service"
    arguments: JSONObject
    caller: Caller
    deadline: float = inf
    repeats_since: float | None = None


@dataclass(frozen=True, kw_only=True)
class Tool:
    """What `tools/list` says about a tool, the form of its answers, and what answers its calls.

    Attributes:
        teaches_clock: Whether its repeated calls show how long a client waits.
        portable: Whether its input schema is listed as Google's libraries can read it.
        makes_files: Whether it is only for callers who have the output folder.
        shown_facts: Which facts of its answers the output schema lists; none for all.
    """

    definition: types.Tool
    answer: type[Answer]
    handle: Callable[[Call], Awaitable[types.Result]]
    teaches_clock: bool = False
    portable: bool = False
    makes_files: bool = False
    shown_facts: tuple[str, ...] = ()

    def listed(self) -> types.Tool:
        """Return the definition with the output schema, which the start does not wait for."""
        schema = self.definition.input_schema
        closed = {**schema, "additionalProperties": False}
        shown = portable_schema(schema) if self.portable else closed
        output = output_schema(self.answer, self.shown_facts)
        schemas = {"input_schema": shown, "output_schema": output}
        return self.definition.model_copy(update=schemas)

    def asking_each_time(self) -> "Tool":
        """Return the tool with a hint that each of its calls needs the user; clients may use it."""
        meta = {"meta": {INTERACTION_META_KEY: True}}
        return replace(self, definition=self.definition.model_copy(update=meta))

    async def call(self, arguments: Mapping[str, Any], caller: Caller) -> types.Result:
        """Check the raw arguments of a call and answer it, with `is_error` for every error.

        Where its user has to be asked, the answer may be a form.
        """
        try:
            checked = check_arguments(self.definition.input_schema, arguments)
            with self._clocked(checked, caller.clock) as (deadline, since):
                return await self._answer(checked, caller, deadline, since)
        except InputNeeded as needed:
            return needed.result
        except SeedanceError as error:
            return _error(error.line)
        except Exception:
            logger.exception("The tool %s broke", self.definition.name)
            return _error(
                f"{self.definition.name} broke inside this server; see its log. A job that was"
                " already begun goes on; do not simply repeat a call that costs money."
            )

    async def _answer(
        self, arguments: JSONObject, caller: Caller, deadline: float, repeats_since: float | None
    ) -> types.Result:
        began = anyio.current_time()
        service = await caller.lazy_service.get()
        if wait_seconds := arguments.get("wait_seconds"):
            # The budget of a call includes opening the service.
            ends_at = began + wait_seconds
            # One that repeats others has to last until the paid request is answered.
            ends_at = min(ends_at, deadline) if repeats_since is None else ends_at
            left = ends_at - anyio.current_time()
            arguments["wait_seconds"] = max(left, MIN_WAIT_SECONDS)
        if request_id := arguments.get("request_id"):
            await service.tracker.acknowledge(request_id)
        return await self.handle(
            Call(
                service=service,
                arguments=arguments,
                caller=caller,
                deadline=deadline,
                repeats_since=repeats_since,
            )
        )

    @contextmanager
    def _clocked(
        self, arguments: JSONObject, clock: ClientClock | None
    ) -> Generator[tuple[float, float | None], None, None]:
        """Yield when the client gives a call up and, for one that repeats others, their beginning.

        How the call ends is learned from.
        """
        now = anyio.current_time()
        if clock is None or not self.teaches_clock or arguments["dry_run"]:
            yield _deadline(clock, now), None
            return
        key = call_key(self.definition.name, arguments)
        call = clock.begin(key, now, force_new=arguments["force_new"])
        cancelled = False
        try:
            yield _deadline(clock, now), call.first_began if call.repeats else None
        except anyio.get_cancelled_exc_class():
            cancelled = True
            raise
        finally:
            clock.end(call, anyio.current_time(), cancelled=cancelled)


def _deadline(clock: ClientClock | None, now: float) -> float:
    """Return when the client gives up a call that begins now, as far as that is known."""
    most_seconds = clock.most_seconds(now) if clock else None
    return inf if most_seconds is None else now + most_seconds


def to_result(
    answer: Answer, blocks: Sequence[types.ContentBlock] = (), *, is_error: bool = False
) -> types.CallToolResult:
    """Return an answer as text and as structure, followed by links and images."""
    text = types.TextContent(type="text", text=answer.text())
    return types.CallToolResult(
        content=[text, *blocks], structured_content=answer.structure(), is_error=is_error
    )


def _error(line: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=line)], is_error=True)
