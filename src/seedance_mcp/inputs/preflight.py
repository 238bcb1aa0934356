"""Looking at a call's images before money is spent: those behind URLs, and those of this machine.

The rules come from the model's file. What is certainly wrong is refused; what cannot be told, since
a host is slow or forbids looking, goes on to the service with a warning.
"""

from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from math import inf

import anyio
import anyio.from_thread
import httpx

from seedance_mcp.errors import InputError
from seedance_mcp.models.model import JSONObject, Model

from ._errors import BlockedAddress, RuleViolated, UnusableImage, Unverifiable
from ._fetcher import Fetcher, Resolve, open_transport, resolve_by_system
from ._findings import Look, advice, odd, said
from ._image_header import Header
from ._local_image import is_local, local_image
from ._public_urls import check_image_urls, place
from ._remote_image import reading
from ._rules import byte_limit, hold
from ._turns import Turns

LOOK_SECONDS = 5.0
"""How long looking at what all of a call's URLs lead to may take."""

LOCAL_SECONDS = 30.0
"""How long making its local images ready may take, those of other calls before them included."""

HEADER_LIMIT = 64 * 1024 * 1024
"""Where a model has no rule about bytes: how far into a file its size in pixels is looked for."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What came of looking at a call's images.

    Attributes:
        arguments: The model's arguments to send: local images as data: URIs, all else as given.
        warnings: What the caller should know, a line each.
    """

    arguments: JSONObject
    warnings: tuple[str, ...] = ()


class Preflight:
    """Lets only calls pass whose images the service will take, as far as that can be told.

    Args:
        model: Whose arguments, and whose rules.
        check: Whether what URLs lead to is fetched.
        allow_private: Whether plain http, any port and any address pass.
        local_files: Whether an image may be a path, a file: URL or a data: URI.
        resolve: How host names are looked up.
        transport: The connections, for a test to hold; ours are made and closed at each look.
    """

    def __init__(  # noqa: PLR0913 - each a switch or a seam
        self,
        model: Model,
        *,
        check: bool,
        allow_private: bool,
        local_files: bool,
        resolve: Resolve = resolve_by_system,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._model = model
        self._check = check
        self._allow_private = allow_private
        self._local_files = local_files
        self._resolve = resolve
        self._transport = transport
        self._turns = Turns()

    async def look(self, arguments: JSONObject, *, patience: float = inf) -> Looked:
        """Look at every image of a call, side by side, within `LOOK_SECONDS` where it has a URL.

        Args:
            arguments: The model's arguments, checked and completed.
            patience: How long it may take in all, in seconds.

        Raises:
            InputError: In one line, which argument is wrong, and what was found.
        """
        images = {name: arguments[name] for name in self._model.image_rules if name in arguments}
        local = {name for name in images if self._local_files and is_local(images[name])}
        urls = {name: url for name, url in images.items() if name not in local}
        self._check_urls(urls)
        seen = await self._side_by_side(images, local, patience)
        for look in seen.values():
            if look.refusal:
                raise look.refusal
        looks = {name: seen[name] for name in images}
        uris = {name: look.uri for name, look in looks.items() if look.uri}
        warnings = (*said(looks), *advice(self._model, arguments, looks))
        return Looked(arguments=arguments | uris, warnings=warnings)

    def _check_urls(self, urls: Mapping[str, str]) -> None:
        """Refuse what needs no looking: no URL at all, or an address nobody else can reach."""
        check_image_urls(self._model, urls, allow_http=self._allow_private)
        for name, url in urls.items():
            try:
                spot = place(url)
                if not self._allow_private:
                    spot.check_public()
            except BlockedAddress as error:
                raise _refusal(name, error) from None

    async def _side_by_side(
        self, images: Mapping[str, str], local: Collection[str], patience: float
    ) -> dict[str, Look]:
        """Give what came of each image; the first refusal ends looking at the others."""
        looks: dict[str, Look] = {}

        async def one(name: str, value: str) -> None:
            here = name in local
            seconds = min(patience, LOCAL_SECONDS if here else LOOK_SECONDS)
            look = _late(name, seconds, local=here)
            with anyio.move_on_after(seconds):
                look = await (self._local(name, value) if here else self._url(name, value))
            looks[name] = look
            if look.refusal:
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for name, value in images.items():
                tasks.start_soon(one, name, value)
        return looks

    async def _local(self, name: str, value: str) -> Look:
        rules, still_wanted = self._model.image_rules[name], anyio.from_thread.check_cancelled
        try:
            image = await self._turns.take(partial(local_image, value, rules, still_wanted))
        except (UnusableImage, RuleViolated) as error:
            return Look(refusal=_refusal(name, error, wanted="an image"))
        return Look(header=image.header, uri=image.uri)

    async def _url(self, name: str, url: str) -> Look:
        if not self._check:
            return Look()
        try:
            return Look(
                header=(header := await self._measured(name, url)), warning=odd(name, header)
            )
        except (BlockedAddress, UnusableImage, RuleViolated) as error:
            return Look(refusal=_refusal(name, error))
        except Unverifiable as error:
            return Look(warning=_unchecked(name, str(error)))

    async def _measured(self, name: str, url: str) -> Header:
        """Fetch as much of an image as its rules need, and hold it against them."""
        rules = self._model.image_rules[name]
        limit = byte_limit(rules)
        async with self._fetcher() as fetcher, reading(fetcher, url) as image:
            header = await image.header(min(limit, HEADER_LIMIT))
            hold(rules, header)
            if limit < inf:
                byte_size, or_more = await image.byte_size(limit)
                hold(rules, header, byte_size, or_more=or_more)
            if header is None:
                raise Unverifiable("its size in pixels stands too far from its beginning")
            return header

    @asynccontextmanager
    async def _fetcher(self) -> AsyncGenerator[Fetcher, None]:
        transport = self._transport or await open_transport()
        try:
            yield Fetcher(transport, resolve=self._resolve, allow_private=self._allow_private)
        finally:
            if transport is not self._transport:
                await transport.aclose()


def _refusal(
    name: str, error: Exception, *, wanted: str = "the https URL of an image that anyone can fetch"
) -> InputError:
    if isinstance(error, RuleViolated):
        return InputError(name, f"{name}: {error}")
    return InputError(name, f"{name} must be {wanted}; {error}.")


def _unchecked(name: str, reason: str) -> str:
    return f"{name} could not be checked: {reason}."


def _late(name: str, seconds: float, *, local: bool) -> Look:
    took = f"took over {seconds:.2g} s"
    if not local:
        return Look(warning=_unchecked(name, f"its host {took}"))
    line = f"{name} {took} to make ready; give a smaller image, or a longer wait_seconds."
    return Look(refusal=InputError(name, line))
