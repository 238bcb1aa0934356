"""The SDK's client, for tests that open a thousand of them."""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from mcp import Client
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import (
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    InputResponses,
    RequestParamsMeta,
)


class QuickClient(Client):
    """A client of the era with a handshake; its extensions claim no results.

    The SDK's own checks answers too, but compiles each schema again for each client, which takes
    longer than a whole purchase.
    """

    async def call_tool(  # noqa: PLR0913 - the SDK's parameters
        self,
        name: str,
        arguments: dict[str, Any] | None = None,
        read_timeout_seconds: float | None = None,
        progress_callback: ProgressFnT | None = None,
        *,
        input_responses: InputResponses | None = None,
        request_state: str | None = None,
        meta: RequestParamsMeta | None = None,
    ) -> CallToolResult:
        """Call a tool, and check the structure of its answer against the tool's schema."""
        assert (input_responses, request_state) == (None, None)
        params = CallToolRequestParams(name=name, arguments=arguments, _meta=meta)
        result = await self.session.send_request(
            CallToolRequest(params=params),
            CallToolResult,
            request_read_timeout_seconds=read_timeout_seconds,
            progress_callback=progress_callback,
        )
        if not result.is_error:
            compiled = _output_schemas()
            if name not in compiled:
                for tool in (await self.session.list_tools()).tools:
                    compiled[tool.name] = Draft202012Validator(tool.output_schema or False)
            compiled[name].validate(result.structured_content)  # pyright: ignore[reportUnknownMemberType]
        return result


@cache
def _output_schemas() -> dict[str, Draft202012Validator]:
    """Return the schemas of the tools' answers as far as clients have read them.

    No setting changes those of a name.
    """
    return {}
