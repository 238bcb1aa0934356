"""Checks access tokens of OAuth 2.1: JWTs that the issuer signed for this server."""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from seedance_mcp.service.principals import Principal

from ._identity import Identity
from ._keys import IssuerKeys
from ._refusals import invalid_token

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""The algorithms of signatures: asymmetric ones, whose keys the issuer can publish."""

TYPES = {"jwt", "at+jwt", "application/at+jwt"}
"""The types of tokens that are for calls; a logout token or a proof is none."""

LEEWAY_SECONDS = 30
"""How far the clocks of the issuer and this machine may be apart."""

MAX_SUBJECT = 255
"""How many characters a subject may have (OpenID Connect), which is kept with every job."""

_MALFORMED = "The token is not a valid JWT."
_UNKNOWN_SIGNATURE = "The signature of the token is wrong, or its key is unknown."


class JwtVerifier:
    """Verifies the tokens of callers.

    Args:
        issuer: What `iss` must be, byte for byte.
        audience: What `aud` must be, or contain.
        keys: The issuer's.
    """

    def __init__(self, issuer: str, audience: str, keys: IssuerKeys) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys

    async def verify(self, token: str) -> Identity:
        """Return who a token is of, and what it allows.

        Raises:
            Refused: It is not valid here (401), or the issuer's keys are not known (503).
        """
        kid, algorithm = _read_header(token)
        keys = await self._keys.find(kid, algorithm)
        claims = self._claims(token, algorithm, keys)
        return Identity(
            principal=Principal(name=principal_name(self._issuer, claims)), scopes=scopes_of(claims)
        )

    def _claims(self, token: str, algorithm: str, keys: list[Any]) -> dict[str, Any]:
        import jwt

        for key in keys:
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    issuer=self._issuer,
                    audience=self._audience,
                    leeway=LEEWAY_SECONDS,
                    options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
                )
            except jwt.InvalidSignatureError:
                continue
            except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
                raise invalid_token(_reason(error)) from None
        raise invalid_token(_UNKNOWN_SIGNATURE)


def _read_header(token: str) -> tuple[str | None, str]:
    """Return the key's id and the algorithm; what else the header names, as `jku`, is ignored."""
    import jwt

    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise invalid_token(_MALFORMED) from None
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if algorithm not in ALGORITHMS:
        raise invalid_token(f"The token must be signed with one of {', '.join(ALGORITHMS)}.")
    if "crit" in header:
        raise invalid_token(_MALFORMED)
    if str(kind).lower() not in TYPES:
        raise invalid_token("The token is not an access token.")
    return kid, cast("str", algorithm)


def _reason(error: Exception) -> str:
    """Return what is wrong with a token, in words of our own."""
    import jwt

    reasons: dict[type[Exception], str] = {
        jwt.ExpiredSignatureError: "The token has expired.",
        jwt.ImmatureSignatureError: "The token is not valid yet.",
        jwt.InvalidAudienceError: "The token is for another audience.",
        jwt.InvalidIssuerError: "The token is of another issuer.",
        jwt.MissingRequiredClaimError: "The token lacks exp, iss or aud.",
    }
    return next((said for kind, said in reasons.items() if isinstance(error, kind)), _MALFORMED)


def principal_name(issuer: str, claims: Mapping[str, Any]) -> str:
    """Return what tells the owner of a token from all others: its subject, else the client.

    Raises:
        Refused: The token names neither.
    """
    for claim, before in ("sub", ""), ("client_id", "client "), ("azp", "client "):
        value = claims.get(claim)
        if isinstance(value, str) and 0 < len(value) <= MAX_SUBJECT and value.isprintable():
            # Without a blank, no subject can be taken for a client.
            return f"oauth:{issuer} {before}{quote(value, safe='@:/|+=!*,;')}"
        if value is not None:
            break
    raise invalid_token("The token names neither a subject nor a client.")


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """Return the scopes of a token: in `scope` or `scp`, as words or as a list."""
    found: set[str] = set()
    for value in claims.get("scope"), claims.get("scp"):
        if isinstance(value, str):
            found |= set(value.split())
        elif isinstance(value, list):
            found |= {each for each in cast("list[Any]", value) if isinstance(each, str)}
    return frozenset(found)
