"""Lets in who may call, as ASGI middleware: by access token, JWT of OAuth, or RunComfy token."""

import logging
import re
from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import SecretStr
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.mcp_server._lazy_service import PRINCIPAL_KEY
from seedance_mcp.service.principals import Principal
from seedance_mcp.setting_values import check_token, is_loopback
from seedance_mcp.text import one_line

from ._bearer import read_token
from ._identity import Identity
from ._metadata import WELL_KNOWN, Metadata
from ._purchases import MAY_SPEND_KEY, receive_free, spending_guard
from ._refusal_log import RefusalLog
from ._refusals import (
    READ_SCOPE,
    SPEND_SCOPE,
    Refused,
    invalid_token,
    missing_scopes,
    to_response,
)
from ._streams import ending_with, is_stream
from .access_tokens import TOKEN_PREFIX, AccessTokens, check_file

if TYPE_CHECKING:
    from seedance_mcp.mcp_server._server import SeedanceServer
    from seedance_mcp.settings import Settings

    from ._jwts import JwtVerifier

logger = logging.getLogger(__name__)

_THREE_WAYS = (
    "SEEDANCE_ACCESS_TOKENS, SEEDANCE_BRING_YOUR_OWN_TOKEN=true, or SEEDANCE_AUTH_ISSUER with"
    " SEEDANCE_AUTH_AUDIENCE"
)

_UNKNOWN = "The token is unknown, or was revoked."


def check_access(settings: "Settings", hosts: Iterable[str]) -> None:
    """Check at the start that whoever can reach the server is asked who it is.

    `hosts` are the address that it listens on and the names that it answers to.

    Raises:
        ConfigurationError: One is not of this machine and there is no way to tell callers apart,
            or a way is configured by half, or the file of access tokens is wrong.
    """
    if (settings.auth_issuer is None) != (settings.auth_audience is None):
        raise ConfigurationError(
            "SEEDANCE_AUTH_ISSUER and SEEDANCE_AUTH_AUDIENCE must be set together."
        )
    if settings.access_tokens is not None:
        check_file(settings.access_tokens)
    public = next((host for host in hosts if not is_loopback(_without_port(host))), None)
    if public is not None and not _is_asked(settings):
        raise ConfigurationError(
            f"Others can reach this server as {one_line(public)}, and could spend your RunComfy"
            f" balance: set {_THREE_WAYS}, so that only those with a token can."
        )


def _without_port(host: str) -> str:
    """Return a name as it stands in `Host`, without its port; an IPv6 address without brackets."""
    if host.count(":") > 1 and not host.startswith("["):
        return host
    return re.sub(r":([0-9]+|\*)$", "", host).removeprefix("[").removesuffix("]")


def _is_asked(settings: "Settings") -> bool:
    ways = settings.access_tokens, settings.bring_your_own_token, settings.auth_issuer
    return any(ways)


def authentication(
    server: "SeedanceServer", settings: "Settings", *, path: str
) -> list[Middleware]:
    """Return what lets through only callers with a token; nothing where none is asked for one.

    Args:
        server: Knows which tools buy.
        settings: Say which tokens let in.
        path: Where the server answers.
    """
    if not _is_asked(settings):
        return []
    server.middleware.append(spending_guard(server.buying))
    ways, metadata = Ways(settings, anyio.current_time), _metadata(settings, path)
    return [Middleware(Authentication, ways, server.buying, metadata)]


def _metadata(settings: "Settings", path: str) -> Metadata | None:
    if settings.auth_issuer is None or settings.auth_audience is None:
        return None
    return Metadata(settings.auth_issuer, settings.auth_audience, path)


class Ways:
    """The ways in which a token lets in, as the settings have them."""

    def __init__(self, settings: "Settings", clock: Callable[[], float]) -> None:
        self._own = settings.bring_your_own_token
        self._jwts = _verifier(settings, clock)
        self._named = (
            None
            if settings.access_tokens is None
            else AccessTokens(settings.access_tokens, clock, logger.error)
        )

    async def identify(self, token: str) -> Identity:
        """Return who has a token.

        Raises:
            Refused: Nobody known, or the token is not valid any more.
        """
        name = self._named and self._named.name_of(token)
        if name:
            return Identity(principal=Principal(name=f"token:{name}"))
        if self._jwts and token.count(".") >= 2:
            return await self._jwts.verify(token)
        # One that was revoked must not be sent to RunComfy as if it were its own.
        if self._own and TOKEN_PREFIX not in token:
            return Identity(principal=Principal(name="runcomfy:", token=_runcomfy_token(token)))
        raise invalid_token(_UNKNOWN)

    async def still_has(self, token: str, identity: Identity) -> bool:
        """Return whether a token is still that of whom it was; so it is while that is unknown."""
        try:
            return await self.identify(token) == identity
        except Refused as refused:
            return refused.status == HTTPStatus.SERVICE_UNAVAILABLE


def _verifier(settings: "Settings", clock: Callable[[], float]) -> "JwtVerifier | None":
    """Return what checks the tokens of the issuer, None where there is none."""
    if settings.auth_issuer is None or settings.auth_audience is None:
        return None
    from ._issuer import fetch_keys
    from ._jwts import JwtVerifier
    from ._keys import IssuerKeys

    keys = IssuerKeys(settings.auth_issuer, fetch_keys, clock)
    return JwtVerifier(settings.auth_issuer, settings.auth_audience, keys)


def _runcomfy_token(token: str) -> SecretStr:
    try:
        return SecretStr(check_token(token))
    except ValueError:
        raise invalid_token("The token is not one of RunComfy.") from None


class Authentication:
    """ASGI middleware that refuses requests without a valid token, and names who sent the others.

    Args:
        app: Answers the others.
        ways: Tell whose a token is.
        buying: The names of the tools that buy.
        metadata: Where OAuth is a way, what clients are told of it, which needs no token.
    """

    def __init__(
        self, app: ASGIApp, ways: Ways, buying: frozenset[str], metadata: Metadata | None
    ) -> None:
        self._app = app
        self._ways = ways
        self._buying = buying
        self._metadata = metadata
        self._log = RefusalLog(anyio.current_time)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        # An OPTIONS brings no token, and gets nothing.
        if scope["type"] != "http" or scope["method"] == "OPTIONS":
            return await self._app(scope, receive, send)
        if scope["path"].startswith(WELL_KNOWN):
            return await self._well_known(scope)(scope, receive, send)
        try:
            token = read_token(scope["headers"])
            identity = await self._ways.identify(token)
            if not identity.has(READ_SCOPE):
                raise missing_scopes((READ_SCOPE,))
            may_spend = identity.has(SPEND_SCOPE)
            if not may_spend:
                receive = await receive_free(self._buying, receive)
        except Refused as refused:
            return await self._refuse(refused, scope)(scope, receive, send)
        scope[PRINCIPAL_KEY] = identity.principal
        scope[MAY_SPEND_KEY] = may_spend
        app = self._app
        if is_stream(scope):
            app = ending_with(partial(self._ways.still_has, token, identity), app)
        return await app(scope, receive, send)

    def _well_known(self, scope: Scope) -> Response:
        """Return the metadata; clients also look for other documents, which are not here."""
        if self._metadata and self._metadata.is_at(scope["path"]):
            return self._metadata.answer(scope)
        return Response(status_code=404)

    def _refuse(self, refused: Refused, scope: Scope) -> Response:
        # Clients begin without a token, to learn where to get one.
        if refused.error or refused.status != 401:
            client: Any = scope.get("client") or ("an unknown address",)
            self._log.note(client[0], refused.description)
        return to_response(refused, self._metadata and self._metadata.url(scope))
