"""Asks the user through the client's own form, in both eras of the protocol.

    up to 2025-11-25   the server sends `elicitation/create` while the call waits, over stdio
    from 2026-07-28    the call is answered with an `InputRequiredResult`; the client repeats it
                       with the answer and the state that came with the form

No argument of a tool says yes: an agent cannot answer for its user.
"""

from collections.abc import Mapping
from typing import Any, cast

import mcp_types as types
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from seedance_mcp.errors import NotApproved
from seedance_mcp.service.consent import Ask, Proposal, Reply, UserAnswer
from seedance_mcp.spending.pricing import TotalCost, format_usd
from seedance_mcp.text import one_line, quoted

from ._lazy_service import Context

FORM = "approval"
"""The form's name among the inputs that a call is answered with."""

FIELD = "approve"
"""The only field of the form: accepting it with true is the yes, and nothing else is."""

_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        FIELD: {"type": "boolean", "title": "Buy this clip", "description": "Yes buys one clip."}
    },
    "required": [FIELD],
}

_ACTIONS = {"accept", "decline", "cancel"}


class InputNeeded(Exception):
    """A call is to be answered with a form, and to be repeated with the user's answer."""

    def __init__(self, result: types.InputRequiredResult) -> None:
        super().__init__("The user has to be asked.")
        self.result = result


def asker(context: Context) -> Ask:
    """Return what asks the user of a request."""

    async def ask(proposal: Proposal) -> Reply:
        _refuse_unless_form(context)
        message = describe(proposal)
        if context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
            return await _ask_now(context, message)
        params = types.ElicitRequestFormParams(message=message, requested_schema=_SCHEMA)
        raise InputNeeded(
            types.InputRequiredResult(
                input_requests={FORM: types.ElicitRequest(params=params)},
                request_state=await proposal.seal(),
            )
        )

    return ask


def read_answer(params: types.CallToolRequestParams, protocol_version: str) -> UserAnswer | None:
    """Return the answer that a call brings to the form of an earlier one, None if it has none."""
    given = (params.input_responses or {}).get(FORM)
    if given is None or protocol_version not in MODERN_PROTOCOL_VERSIONS:
        return None
    # Only the answer to a form can be a yes.
    reply = _reply(given) if isinstance(given, types.ElicitResult) else Reply.NO
    return UserAnswer(reply=reply, state=params.request_state)


def readable_answer(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a call without what the SDK would refuse in its answer to a form.

    A yes that cannot be read does not count; the user may be asked again.
    """
    state, inputs = params.get("requestState"), params.get("inputResponses")
    read = {key: params[key] for key in params if key not in {"requestState", "inputResponses"}}
    if isinstance(state, str):
        read["requestState"] = state
    if FORM in _fields(inputs):
        read["inputResponses"] = {FORM: _readable(_fields(inputs)[FORM])}
    return read


def shows_forms(capabilities: types.ClientCapabilities | None) -> bool:
    """Return whether a client can show a form; one that names no kind of elicitation can."""
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def describe(proposal: Proposal) -> str:
    """Return what the form says."""
    job = proposal.job
    parts = [f"Model: {quoted(job.model_id or '', 100)}"]
    if proposal.seconds is not None:
        parts.append(f"length: {_shown(proposal.seconds)} seconds")
    if (resolution := job.arguments.get("resolution")) is not None:
        parts.append(f"resolution: {_shown(resolution)}")
    cost = job.estimated_microdollars
    price = "not known" if cost is None else f"{format_usd(cost)} USD"
    return (
        f"Buy one video clip from RunComfy? {'; '.join(parts)}. Estimated cost: {price}."
        f" {_spent(proposal.spent)}"
    )


def _shown(value: object) -> str:
    return quoted(value, 20) if isinstance(value, str) else one_line(str(value), 20)


def _spent(spent: TotalCost) -> str:
    words = f"Spent in the last 24 hours: {format_usd(spent.microdollars)} USD"
    if spent.estimated:
        words += f", {spent.estimated} of {spent.jobs} clip{'s' * (spent.jobs != 1)} estimated"
    if spent.unknown:
        words += f", without {spent.unknown} whose cost is not known"
    return f"{words}."


def _refuse_unless_form(context: Context) -> None:
    over_http = context.request is not None
    if over_http and context.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        why = "over HTTP that takes a client of protocol revision 2026-07-28"
    elif not shows_forms(context.session.client_capabilities):
        why = "this client cannot show a form (it declares no form elicitation)"
    else:
        return
    raise NotApproved(
        f"The user has to agree to this clip in a form first, and {why}. Ask the user to raise or"
        " unset SEEDANCE_ASK_ABOVE_USD in this server's configuration, or to use a client that can."
    )


async def _ask_now(context: Context, message: str) -> Reply:
    """Show a form while the call waits, and return the answer."""
    try:
        result = await context.session.elicit_form(message, _SCHEMA, context.request_id)
    except MCPError as error:
        raise NotApproved(
            "The user could not be asked whether to buy this clip; the client answered the form"
            f" with an error: {quoted(error.message, 200)}."
        ) from error
    except ValidationError:
        return Reply.NO
    return _reply(result)


def _reply(result: types.ElicitResult) -> Reply:
    if result.action == "cancel":
        return Reply.CLOSED
    agreed = result.action == "accept" and (result.content or {}).get(FIELD) is True
    return Reply.YES if agreed else Reply.NO


def _readable(answer: Any) -> dict[str, Any]:
    """Return the answer to a form as far as it can be read; the rest is not a yes."""
    given = _fields(answer)
    action = given.get("action")
    known = isinstance(action, str) and action in _ACTIONS
    read: dict[str, Any] = {"action": action if known else "decline"}
    agreed = _fields(given.get("content")).get(FIELD) is True
    return read | {"content": {FIELD: True}} if agreed else read


def _fields(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
