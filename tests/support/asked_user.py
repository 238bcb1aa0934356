"""A user who answers the forms of a client, and a client whose answers are written by hand."""

from typing import Any

import anyio
from mcp.client.session import ClientRequestContext
from mcp_types import (
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ErrorData,
    InputRequiredResult,
)

from .client import ARGUMENTS, ToolClient

FORM, FIELD = "approval", "approve"

YES = ElicitResult(action="accept", content={FIELD: True})
NO = ElicitResult(action="decline")


class AskedUser:
    """A user who gives the same answer to every form, or none.

    Attributes:
        answer: The answer; None for a user who is away.
        forms: What each form said.
        closed: How many forms the client has closed unanswered.
        shown: Set when the first form is shown.
    """

    def __init__(self, answer: ElicitResult | ErrorData | None = YES) -> None:
        self.answer = answer
        self.forms: list[str] = []
        self.closed = 0
        self.shown = anyio.Event()
        self._comes = anyio.Event()

    async def __call__(
        self, context: ClientRequestContext, params: ElicitRequestParams
    ) -> ElicitResult | ErrorData:
        """Answer a form, once the user is there."""
        del context
        assert isinstance(params, ElicitRequestFormParams)
        self.forms.append(params.message)
        self.shown.set()
        try:
            while self.answer is None:
                await self._comes.wait()
        except anyio.get_cancelled_exc_class():
            self.closed += 1
            raise
        return self.answer

    def come(self, answer: ElicitResult) -> None:
        """Answer all forms that are shown."""
        self.answer = answer
        self._comes.set()


async def answered(
    client: ToolClient,
    state: str | None = None,
    answer: ElicitResult | None = YES,
    **arguments: Any,
) -> CallToolResult | InputRequiredResult:
    """Call generate_video once with this state and answer, and return what it is answered with."""
    return await client.mcp.session.call_tool(
        "generate_video",
        ARGUMENTS | arguments,
        input_responses=None if answer is None else {FORM: answer},
        request_state=state,
        allow_input_required=True,
    )


async def asked(client: ToolClient, **arguments: Any) -> str:
    """Call generate_video, which must answer with a form, and return the state of that."""
    return state_of(await answered(client, None, None, **arguments))


def state_of(result: CallToolResult | InputRequiredResult) -> str:
    """Return the state of an answer that must be a form."""
    assert isinstance(result, InputRequiredResult), result
    assert result.input_requests
    assert result.request_state
    assert [*result.input_requests] == [FORM]
    return result.request_state


def message_of(result: CallToolResult | InputRequiredResult) -> str:
    """Return what an answer asks that must be a form."""
    assert isinstance(result, InputRequiredResult), result
    request = (result.input_requests or {})[FORM]
    assert isinstance(request, ElicitRequest)
    assert isinstance(request.params, ElicitRequestFormParams)
    return request.params.message


def result_of(result: CallToolResult | InputRequiredResult) -> CallToolResult:
    """Return an answer that must be none that asks."""
    assert isinstance(result, CallToolResult), result
    return result
