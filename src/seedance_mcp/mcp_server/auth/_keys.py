"""The keys of an issuer, kept between requests and fetched again when they may have changed."""

import logging
from collections.abc import Awaitable, Callable
from math import ceil, inf
from typing import TYPE_CHECKING, Any

import anyio

from ._issuer import UnusableIssuer
from ._refusals import Refused

if TYPE_CHECKING:
    from jwt import PyJWK

logger = logging.getLogger(__name__)

FRESH_SECONDS = 600.0
"""After how long keys are fetched again: one that the issuer withdrew is trusted that long."""

USABLE_SECONDS = 86_400.0
"""How long they are used while the issuer does not answer."""

RETRY_SECONDS = 10.0
"""After how long the issuer is asked again, however many tokens name a key that is unknown."""

MAX_KEYS = 50
"""How many keys of an issuer are used; it has one or two."""

KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
"""The type of the keys of an algorithm, by how its name begins."""


class KeySet:
    """Public keys, each read when it is first needed."""

    def __init__(self, keys: list[dict[str, Any]]) -> None:
        self._keys = keys[:MAX_KEYS]
        self._read: dict[tuple[int, str], PyJWK | None] = {}

    def find(self, kid: str | None, algorithm: str) -> "list[PyJWK]":
        """Return the keys that a signature may have been made with; without `kid`, any may."""
        suitable = [
            number
            for number, key in enumerate(self._keys)
            if key.get("kty") == KEY_TYPES[algorithm[:2]]
            and key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
            and kid in (None, key.get("kid"))
        ]
        found = [self._key(number, algorithm) for number in suitable]
        return [key for key in found if key is not None]

    def _key(self, number: int, algorithm: str) -> "PyJWK | None":
        from jwt import PyJWK, PyJWTError

        if (number, algorithm) not in self._read:
            try:
                key = PyJWK(self._keys[number], algorithm)
            except (PyJWTError, ValueError, TypeError, KeyError) as error:
                logger.warning("A key of the issuer is unusable: %s", type(error).__name__)
                key = None
            self._read[number, algorithm] = key
        return self._read[number, algorithm]


class IssuerKeys:
    """The keys of an issuer.

    Args:
        issuer: Its URL.
        fetch: Returns its keys; raises `UnusableIssuer`.
        clock: Returns the time in seconds.
    """

    def __init__(
        self,
        issuer: str,
        fetch: Callable[[str], Awaitable[list[dict[str, Any]]]],
        clock: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._keys = KeySet([])
        self._fetched_at = self._tried_at = -inf
        self._lock = anyio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> "list[PyJWK]":
        """Return the keys that a signature may have been made with.

        Raises:
            Refused: The issuer does not answer, so that nothing is known of the token (503).
        """
        found = self._keys.find(kid, algorithm)
        # While others fetch, a key that is known does not wait for them.
        if self._is_due(found) or (self._lock.locked() and not found):
            async with self._lock:
                found = self._keys.find(kid, algorithm)
                if self._is_due(found):
                    await self._fetch_again()
            found = self._keys.find(kid, algorithm)
        failed = self._fetched_at < self._tried_at
        if failed and (not found or self._clock() > self._fetched_at + USABLE_SECONDS):
            raise self._away()
        return found

    def _is_due(self, found: "list[PyJWK]") -> bool:
        now = self._clock()
        if now < self._tried_at + RETRY_SECONDS:
            return False
        return not found or now > self._fetched_at + FRESH_SECONDS

    async def _fetch_again(self) -> None:
        self._tried_at = self._clock()
        # Others need the keys too, even if the caller that happened to fetch them leaves.
        with anyio.CancelScope(shield=True):
            try:
                self._keys = KeySet(await self._fetch(self._issuer))
            except UnusableIssuer as error:
                logger.warning("No keys of the issuer %s: %s", self._issuer, error)
            else:
                self._fetched_at = self._tried_at

    def _away(self) -> Refused:
        seconds = max(1, ceil(self._tried_at + RETRY_SECONDS - self._clock()))
        said = "The issuer of the tokens does not answer, so the token cannot be checked."
        return Refused(503, None, said, retry_after=seconds)
