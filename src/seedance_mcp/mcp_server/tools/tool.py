"""What all tools share: a tool's definition with its handler, and one call of it.

Arguments are checked here, raw, before anything else happens, and every error of ours becomes one
line for the model, here and nowhere else.
"""

import logging
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

import anyio
import mcp_types as types

from seedance_mcp.errors import SeedanceError
from seedance_mcp.mcp_server._arguments import check_arguments, is_left_out
from seedance_mcp.mcp_server._asking import InputNeeded
from seedance_mcp.mcp_server._caller import Caller
from seedance_mcp.mcp_server._client_clock import ClientClock, call_key
from seedance_mcp.mcp_server._facts import Answer
from seedance_mcp.mcp_server.apps.page_resources import Pages
from seedance_mcp.mcp_server.apps.pages import PageName
from seedance_mcp.models.model import JSONObject

from ._schemas import output_schema, portable_schema, without_paths

if TYPE_CHECKING:
    from seedance_mcp.service.service import Service

logger = logging.getLogger(__name__)

INTERACTION_META_KEY = "anthropic/requiresUserInteraction"
"""What Claude Code asks its user for before each call of a tool that has it in `_meta`."""

FOR_MODEL = ("model",)
"""The visibility of a tool that spends money: nothing on a page may call it."""

FOR_BOTH = ("model", "app")
"""The visibility of a tool that the player calls, too."""

MIN_WAIT_SECONDS = 1.0
"""What is left for a call that waits, however long opening the service took."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a tool, its arguments checked and completed.

    Attributes:
        deadline: When its client gives it up, as far as that is known, on the event loop's clock;
            `wait_seconds` ends before it.
        repeats_since: When the first call began that it repeats; None if it repeats none.
        told_to_wait: Whether its client has said that it is to wait, and for how long.
    """

    service: "Service"
    arguments: JSONObject
    caller: Caller
    deadline: float = inf
    repeats_since: float | None = None
    told_to_wait: bool = False

    @property
    def is_followed(self) -> bool:
        """Whether the player in the chat follows its job, so that it need not wait."""
        return self.caller.shows_apps and not self.told_to_wait

    @property
    def may_be_a_page(self) -> bool:
        """Whether the player in the chat may have made it, which polls by itself."""
        return self.caller.shows_apps and self.arguments.get("wait_seconds") == 0


@dataclass(frozen=True, kw_only=True)
class Tool:
    """What `tools/list` says about a tool, the form of its answers, and what answers its calls.

    Attributes:
        teaches_clock: Whether its repeated calls show how long a client waits.
        portable: Whether its input schema is listed as Google's libraries can read it.
        makes_files: Whether it is only for callers who have the output folder.
        without_files: The definition for callers who do not have it; None for the same.
        buys: Whether a call may cost money.
        shown_facts: Which facts of its answers the output schema lists; none for all.
        page: The page that hosts show for each call, None for none.
        visibility: Who may call it, the "model" or a page, which is an "app"; empty for both.
    """

    definition: types.Tool
    answer: type[Answer]
    handle: Callable[[Call], Awaitable[types.Result]]
    teaches_clock: bool = False
    portable: bool = False
    makes_files: bool = False
    without_files: types.Tool | None = None
    buys: bool = False
    shown_facts: tuple[str, ...] = ()
    page: PageName | None = None
    visibility: tuple[str, ...] = ()

    def listed(self, pages: Pages, *, saves_files: bool = True, paths: bool = True) -> types.Tool:
        """Return the definition with the output schema, which the start does not wait for.

        `saves_files` says whether callers have the output folder, and `paths` whether they may name
        files of this machine.
        """
        definition = self.definition if saves_files else self.without_files or self.definition
        schema = definition.input_schema if paths else without_paths(definition.input_schema)
        closed = {**schema, "additionalProperties": False}
        shown = portable_schema(schema) if self.portable else closed
        output = output_schema(self.answer, self.shown_facts)
        schemas = {"input_schema": shown, "output_schema": output}
        return definition.model_copy(update=schemas | self._meta(pages))

    def _meta(self, pages: Pages) -> JSONObject:
        """Return what the definition says to hosts of pages, beside what it says anyway.

        It says so to every client: many hosts show pages and do not declare it.
        """
        ui: JSONObject = {"resourceUri": pages.page(self.page).uri} if self.page else {}
        ui |= {"visibility": [*self.visibility]} if self.visibility else {}
        return {"meta": {**(self.definition.meta or {}), "ui": ui}} if ui else {}

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
            told = not is_left_out(arguments.get("wait_seconds"))
            with self._clocked(checked, caller.clock) as (deadline, since):
                return await self._answer(checked, caller, deadline, since, told_to_wait=told)
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
        self,
        arguments: JSONObject,
        caller: Caller,
        deadline: float,
        repeats_since: float | None,
        *,
        told_to_wait: bool,
    ) -> types.Result:
        began = anyio.current_time()
        service = await caller.open_service()
        if not caller.may_wait and "wait_seconds" in arguments:
            arguments["wait_seconds"] = 0
        if wait_seconds := arguments.get("wait_seconds"):
            # The budget of a call includes opening the service.
            ends_at = began + wait_seconds
            # One that repeats others has to last until the paid request is answered.
            ends_at = min(ends_at, deadline) if repeats_since is None else ends_at
            left = ends_at - anyio.current_time()
            arguments["wait_seconds"] = max(left, MIN_WAIT_SECONDS)
        call = Call(
            service=service,
            arguments=arguments,
            caller=caller,
            deadline=deadline,
            repeats_since=repeats_since,
            told_to_wait=told_to_wait and arguments["wait_seconds"] > 0,
        )
        if (request_id := arguments.get("request_id")) and not call.may_be_a_page:
            await service.tracker.acknowledge(request_id)
        return await self.handle(call)

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
    answer: Answer,
    blocks: Sequence[types.ContentBlock] = (),
    *,
    meta: JSONObject | None = None,
    is_error: bool = False,
) -> types.CallToolResult:
    """Return an answer as text and as structure, followed by links and images.

    `meta` is for pages, and for no model.
    """
    text = types.TextContent(type="text", text=answer.text())
    return types.CallToolResult(
        content=[text, *blocks],
        structured_content=answer.structure(),
        is_error=is_error,
        _meta=meta,
    )


def _error(line: str) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=line)], is_error=True)
