"""Checks the files of a call before money is spent, behind URLs and on this machine.

The rules come from the model's file. What is certainly wrong is refused. What cannot be verified,
since a host is slow or forbids it, is sent to RunComfy with a warning.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from math import inf

import anyio
import anyio.from_thread
import httpx

from seedance_mcp.errors import InputError
from seedance_mcp.models.model import FileArgument, JSONObject, Model, replace_values
from seedance_mcp.one_at_a_time import OneAtATime

from ._errors import BlockedAddress, RuleViolated, UnusableFile, Unverifiable
from ._fetcher import Fetcher, Resolve, open_fetcher, resolve_by_system
from ._findings import CheckedFile, CheckedInputs, find_warnings, image_warning, media_warning
from ._local_image import identify_local_image, load_local_image, local_path
from ._public_urls import check_length, parse_url
from ._remote_image import check_image
from ._remote_media import check_media
from ._spelling import is_local, scheme, without_blanks
from .frame_image import FrameImage, load_frame

URL_CHECK_TIMEOUT_SECONDS = 5.0
"""How long checking all of a call's URLs may take, side by side."""

LOCAL_IMAGE_TIMEOUT_SECONDS = 30.0
"""How long preparing a call's local images may take, the wait for other calls' included."""

_ONLY_IMAGES = (
    "only images may be files of this machine or data: URIs, so upload it to a host that anyone can"
    " reach and pass its URL"
)
_LOCAL_FILES_OFF = (
    "it does not begin with https://, and local files and data: URIs are off here, as they are over"
    " HTTP unless SEEDANCE_LOCAL_FILES=true: a path would name a file of the server's machine"
)
_PATHS_OFF = (
    "it does not begin with https:// or data:, and a path would name a file of the server's machine"
)
_ARTICLES = {"image": "an image", "video": "a video", "audio": "an audio file"}


class Preflight:
    """Refuses calls whose files RunComfy would refuse, as far as that can be known.

    Hosts are looked up and files are fetched only with `check`. `allow_private` allows plain http,
    any port and any address; `local_files` allows paths, file: URLs and data: URIs of images, or
    without `paths` only the latter. Checks that share their `turns` prepare one image at a time.
    `behind_proxy` says that other requests leave this machine through a proxy. Each check opens and
    closes its own connections, unless a test gives it a `transport`.
    """

    def __init__(  # noqa: PLR0913 - each a switch or a seam
        self,
        *,
        check: bool,
        allow_private: bool,
        local_files: bool,
        paths: bool = True,
        turns: OneAtATime | None = None,
        behind_proxy: bool = False,
        resolve: Resolve = resolve_by_system,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._check = check
        self._allow_private = allow_private
        self._local_files = local_files
        self._behind_proxy = behind_proxy
        self._resolve = resolve
        self._transport = transport
        self._paths = paths
        self._local_images = turns or OneAtATime()

    def tidy(self, model: Model, arguments: JSONObject) -> JSONObject:
        """Return a call's arguments with every URL and data: URI without blanks around it."""
        files = model.files(arguments)
        return replace_values(arguments, {file.path: without_blanks(file.value) for file in files})

    async def check(
        self,
        model: Model,
        arguments: JSONObject,
        *,
        frames: Mapping[str, FrameImage] | None = None,
        timeout: float = inf,
        host_timeout: float = inf,
    ) -> CheckedInputs:
        """Check every file of a call, side by side, within `timeout` seconds in all.

        Within `host_timeout` seconds, what hosts have not sent is not waited for any longer.

        The arguments must be checked against the model's schema before. `frames` are the images to
        which the values at some places lead, which are sent as local images are.

        Raises:
            InputError: In one line, which argument is wrong and what was found.
        """
        arguments = self.tidy(model, arguments)
        files, frames = list(model.files(arguments)), frames or {}
        began, others = anyio.current_time(), [file for file in files if file.path not in frames]
        for file in others:
            self._check_value(file)
        checked = await self._check_side_by_side(others, timeout, host_timeout)
        deadline = began + min(timeout, LOCAL_IMAGE_TIMEOUT_SECONDS)
        for file in files:
            if file.path in frames:
                checked[file.path] = await self._check_frame(file, frames[file.path], deadline)
        found = [checked[file.path] for file in files]
        return CheckedInputs(
            arguments=replace_values(arguments, {c.file.path: c.uri for c in found if c.uri}),
            files={c.file.path: c.identity for c in found if c.identity},
            warnings=tuple(find_warnings(model, arguments, found)),
        )

    async def identify(
        self, model: Model, arguments: JSONObject, *, timeout: float = inf
    ) -> dict[str, tuple[str, str]]:
        """Return what `CheckedInputs.files` would be, without checking.

        The SHA-256 is "" where no file can be read. What cannot be an image, or is not read in
        time, is left out: `check` refuses it.
        """
        files: dict[str, tuple[str, str]] = {}
        with anyio.move_on_after(min(timeout, LOCAL_IMAGE_TIMEOUT_SECONDS)):
            for file in model.files(self.tidy(model, arguments)):
                if file.kind == "image" and self._is_local(file):
                    with suppress(UnusableFile):
                        identify = partial(identify_local_image, file.value)
                        files[file.path] = await self._local_images.run(identify)
        return files

    def _is_local(self, file: FileArgument) -> bool:
        if not self._paths and scheme(file.value) != "data":
            return False
        return self._local_files and is_local(file.value)

    def _check_value(self, file: FileArgument) -> None:
        """Refuse what needs no network: a malformed URL, or an address that is not public."""
        if is_local(file.value):
            if file.kind != "image":
                raise _refusal(file, UnusableFile(_ONLY_IMAGES))
            if not self._local_files:
                raise _refusal(file, UnusableFile(_LOCAL_FILES_OFF))
            if not self._is_local(file):
                raise _refusal(file, UnusableFile(_PATHS_OFF))
            return
        try:
            parse_url(file.value, allow_private=self._allow_private)
            check_length(file.value)
        except BlockedAddress as error:
            raise _refusal(file, error) from None

    async def _check_side_by_side(
        self, files: Sequence[FileArgument], timeout: float, host_timeout: float
    ) -> dict[str, CheckedFile]:
        """Check files at once; the first refusal cancels the other checks."""
        checked: dict[str, CheckedFile] = {}
        refusals: list[InputError] = []

        async def check(file: FileArgument) -> None:
            try:
                checked[file.path] = await self._check_file(file, fetcher, timeout, host_timeout)
            except InputError as error:
                refusals.append(error)
                tasks.cancel_scope.cancel()

        async with self._fetcher() as fetcher, anyio.create_task_group() as tasks:
            for file in files:
                tasks.start_soon(check, file)
        if refusals:
            raise refusals[0]
        return checked

    async def _check_file(
        self, file: FileArgument, fetcher: Fetcher, timeout: float, host_timeout: float
    ) -> CheckedFile:
        local = self._is_local(file)
        limit = LOCAL_IMAGE_TIMEOUT_SECONDS
        if not local:
            limit = min(URL_CHECK_TIMEOUT_SECONDS, host_timeout)
        seconds = min(timeout, limit)
        with anyio.move_on_after(seconds):
            return await (self._check_local(file) if local else self._check_remote(file, fetcher))
        # Identifying a local image may have used up the time.
        too_slow = f"took over {seconds:.2g} s" if seconds > 0 else "took too long"
        if local:
            advice = "use a smaller image, or a longer wait_seconds"
            raise InputError(file.path, f"{file.path} {too_slow} to prepare; {advice}.")
        # A slow host is no proof against a file: RunComfy may wait longer for it.
        return CheckedFile(file=file, warning=_unverified(file, f"its host {too_slow}"))

    async def _check_local(self, file: FileArgument) -> CheckedFile:
        check_cancelled = anyio.from_thread.check_cancelled
        load = partial(load_local_image, file.value, file.rules, check_cancelled)
        try:
            uri, header, content = await self._local_images.run(load)
            identity = local_path(file.value), content
        except (UnusableFile, RuleViolated) as error:
            raise _refusal(file, error, expected="an image") from None
        return CheckedFile(file=file, header=header, uri=uri, identity=identity)

    async def _check_frame(
        self, file: FileArgument, frame: FrameImage, deadline: float
    ) -> CheckedFile:
        load = partial(load_frame, frame.png, file.rules, anyio.from_thread.check_cancelled)
        name = f"{file.path}, {frame.name}"
        with anyio.CancelScope(deadline=deadline):
            try:
                uri, header = await self._local_images.run(load)
            except (UnusableFile, RuleViolated) as error:
                raise InputError(file.path, f"{name}: {error}") from None
            return CheckedFile(file=file, header=header, uri=uri, identity=("", file.value))
        raise InputError(file.path, f"{name}: it took too long to prepare; repeat the call.")

    async def _check_remote(self, file: FileArgument, fetcher: Fetcher) -> CheckedFile:
        if not self._check:
            return CheckedFile(file=file)
        try:
            if file.kind != "image":
                warning = media_warning(file, await check_media(file, fetcher))
                return CheckedFile(file=file, warning=warning)
            header = await check_image(file, fetcher)
            warning = image_warning(file.path, header)
            return CheckedFile(file=file, header=header, warning=warning)
        except (BlockedAddress, UnusableFile, RuleViolated) as error:
            raise _refusal(file, error) from None
        except Unverifiable as error:
            return CheckedFile(file=file, warning=_unverified(file, str(error)))

    def _fetcher(self) -> AbstractAsyncContextManager[Fetcher]:
        return open_fetcher(
            allow_private=self._allow_private,
            behind_proxy=self._behind_proxy,
            resolve=self._resolve,
            transport=self._transport,
        )


def _refusal(file: FileArgument, error: Exception, *, expected: str | None = None) -> InputError:
    if isinstance(error, RuleViolated):
        return InputError(file.path, f"{file.path}: {error}")
    expected = expected or f"the public https URL of {_ARTICLES[file.kind]}"
    return InputError(file.path, f"{file.path} must be {expected}; {error}.")


def _unverified(file: FileArgument, reason: str) -> str:
    return f"{file.path} could not be checked: {reason}."
