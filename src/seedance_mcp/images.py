"""Looking at a call's pictures before money is spent: those behind URLs, and those of this machine.

The rules come from the model's file. What is certainly wrong is refused; what cannot be told, since
a host is slow or forbids looking, goes on to the service with a warning.
"""

import re
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import inf

import anyio
import anyio.to_thread
import httpx

from .addresses import Closed, place
from .arguments import check_image_urls
from .errors import InputError
from .fetching import Fetcher, Resolve, Unseen, open_transport, resolve_by_system
from .image_rules import RuleBroken, byte_limit, hold
from .local_pictures import is_local, local_picture
from .pictures import Header, Unfit
from .reading import reading
from .schema import JSONObject, Model

LOOK_SECONDS = 5.0
"""How long looking at all of a call's pictures may take."""

HEADER_LIMIT = 64 * 1024 * 1024
"""Where a model has no rule about bytes: how far into a file its size in pixels is looked for."""

SAFE_KINDS = ("JPEG", "PNG", "WebP")
"""What no service is known to refuse; RunComfy documents no types at all (page)."""


RATIO_TOLERANCE = 0.01
"""How much two frames' aspect ratios may differ unsaid: no more than scaling's rounding does."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What came of looking at a call's pictures.

    Attributes:
        arguments: The model's arguments to send: local pictures as data: URIs, all else as given.
        warnings: What the caller should know, a line each.
    """

    arguments: JSONObject
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What came of one picture: what is None was not learned, or is not to be said."""

    header: Header | None = None
    uri: str | None = None
    warning: str | None = None
    refusal: InputError | None = None


class ImageGate:
    """Lets only calls pass whose pictures the service will take, as far as that can be told.

    Args:
        model: Whose arguments, and whose rules.
        check: Whether what URLs lead to is fetched.
        allow_private: Whether plain http, any port and any address pass.
        local_files: Whether a picture may be a path, a file: URL or a data: URI.
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

    async def look(self, arguments: JSONObject) -> Looked:
        """Look at every picture of a call, side by side, within `LOOK_SECONDS`.

        Args:
            arguments: The model's arguments, checked and completed.

        Raises:
            InputError: In one line, which argument is wrong, and what was found.
        """
        pictures = {name: arguments[name] for name in self._model.image_rules if name in arguments}
        local = {name for name in pictures if self._local_files and is_local(pictures[name])}
        urls = {name: url for name, url in pictures.items() if name not in local}
        self._check_urls(urls)
        looks: dict[str, _Look] = {}
        with anyio.move_on_after(LOOK_SECONDS):
            await self._side_by_side(pictures, local, looks)
        late = {name: _late(name, local=name in local) for name in pictures if name not in looks}
        # What was found comes before what was not found in time, perhaps because of it.
        for look in (*looks.values(), *late.values()):
            if look.refusal:
                raise look.refusal
        looks = {name: (looks | late)[name] for name in pictures}
        uris = {name: look.uri for name, look in looks.items() if look.uri}
        warnings = (*_said(looks), *_advice(self._model, arguments, looks))
        return Looked(arguments=arguments | uris, warnings=warnings)

    def _check_urls(self, urls: Mapping[str, str]) -> None:
        """Refuse what needs no looking: no URL at all, or an address nobody else can reach."""
        check_image_urls(self._model, urls, allow_http=self._allow_private)
        for name, url in urls.items():
            try:
                spot = place(url)
                if not self._allow_private:
                    spot.check_public()
            except Closed as error:
                raise _refusal(name, error) from None

    async def _side_by_side(
        self, pictures: Mapping[str, str], local: Collection[str], looks: dict[str, _Look]
    ) -> None:
        """Put down what came of each picture; the first refusal ends looking at the others."""

        async def one(name: str, value: str) -> None:
            look = await (self._local(name, value) if name in local else self._url(name, value))
            looks[name] = look
            if look.refusal:
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for name, value in pictures.items():
                tasks.start_soon(one, name, value)

    async def _local(self, name: str, value: str) -> _Look:
        prepare = partial(local_picture, value, self._model.image_rules[name])
        try:
            picture = await anyio.to_thread.run_sync(prepare, abandon_on_cancel=True)
        except (Unfit, RuleBroken) as error:
            return _Look(refusal=_refusal(name, error, wanted="a picture"))
        return _Look(header=picture.header, uri=picture.uri)

    async def _url(self, name: str, url: str) -> _Look:
        if not self._check:
            return _Look()
        try:
            return _Look(
                header=(header := await self._measured(name, url)), warning=_odd(name, header)
            )
        except (Closed, Unfit, RuleBroken) as error:
            return _Look(refusal=_refusal(name, error))
        except Unseen as error:
            return _Look(warning=_unchecked(name, str(error)))

    async def _measured(self, name: str, url: str) -> Header:
        """Fetch as much of a picture as its rules need, and hold it against them."""
        rules = self._model.image_rules[name]
        limit = byte_limit(rules)
        async with self._fetcher() as fetcher, reading(fetcher, url) as picture:
            header = await picture.header(min(limit, HEADER_LIMIT))
            hold(rules, header)
            if limit < inf:
                byte_size, or_more = await picture.byte_size(limit)
                hold(rules, header, byte_size, or_more=or_more)
            if header is None:
                raise Unseen("its size in pixels stands too far from its beginning")
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
    name: str, error: Exception, *, wanted: str = "the https URL of a picture that anyone can fetch"
) -> InputError:
    if isinstance(error, RuleBroken):
        return InputError(name, f"{name}: {error}")
    return InputError(name, f"{name} must be {wanted}; {error}.")


def _unchecked(name: str, reason: str) -> str:
    return f"{name} could not be checked: {reason}."


def _odd(name: str, header: Header) -> str | None:
    if header.kind in SAFE_KINDS:
        return None
    return f"{name} is of type {header.kind}, which RunComfy may not take; JPEG and PNG are safest."


def _late(name: str, *, local: bool) -> _Look:
    if local:
        return _Look(refusal=InputError(name, f"{name} took over {LOOK_SECONDS:g} s to read."))
    return _Look(warning=_unchecked(name, f"its host took over {LOOK_SECONDS:g} s"))


def _said(looks: Mapping[str, _Look]) -> Iterator[str]:
    """Give the warnings of the pictures themselves, in the order of the arguments."""
    for look in looks.values():
        if look.warning:
            yield look.warning
    if local := [name for name, look in looks.items() if look.uri]:
        verb = "is" if len(local) == 1 else "are"
        yield f"{' and '.join(local)} {verb} sent as data; RunComfy documents only https URLs."


def _advice(model: Model, arguments: JSONObject, looks: Mapping[str, _Look]) -> Iterator[str]:
    """Say what is allowed and yet hardly meant."""
    for name in looks:
        note = str(model.properties[name].get("description") or "")
        # The service's own words (page): "... will not take effect when the X is set to Y."
        told = re.search(r"will not take effect when the (\w+) is set to (\w+)", note)
        if told and str(arguments.get(told[1])).lower() == told[2].lower():
            yield f"{name}: {note.removeprefix('Note:').strip()}"
    headers = {name: look.header for name, look in looks.items() if look.header}
    for (one, first), (other, second) in pairwise(headers.items()):
        ratio = (first.width * second.height) / (first.height * second.width)
        if abs(ratio - 1) > RATIO_TOLERANCE:
            yield f"{one} is {first}, {other} {second}: their aspect ratios differ."
