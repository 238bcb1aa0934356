"""Reads the token of a request, from the header Authorization alone."""

from collections.abc import Iterable

from ._refusals import bad_request, no_token

MAX_HEADER_BYTES = 8 * 1024
"""How long the header may be; a token of OAuth with many claims has 2 KiB."""


def read_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the token that a request's headers bring.

    Raises:
        Refused: There is none, or more than one, or it is too long.
    """
    values = [value for name, value in headers if name == b"authorization"]
    if not values:
        raise no_token()
    if len(values) > 1:
        raise bad_request("Send one header Authorization, not several.")
    if len(values[0]) > MAX_HEADER_BYTES:
        raise bad_request(f"The header Authorization is longer than {MAX_HEADER_BYTES} bytes.")
    scheme, _, token = values[0].decode("latin-1").strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise no_token()
    return token.strip()
