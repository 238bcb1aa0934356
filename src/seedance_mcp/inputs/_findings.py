"""What preflight found about the files of a call, and the warnings that follow from it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from seedance_mcp.models.model import FileArgument, JSONObject, Model

from ._image_header import Header
from ._media_type import SAFE_TYPES

SAFE_IMAGE_TYPES = ("JPEG", "PNG", "WebP")
"""What no model is known to refuse; RunComfy documents no types at all (page)."""

MAX_RATIO_DIFFERENCE = 0.01
"""How much two frames' aspect ratios may differ without a warning: scaling rounds that much."""


@dataclass(frozen=True, kw_only=True)
class CheckedFile:
    """A file that passed preflight.

    Attributes:
        uri: The data: URI to send instead of a local image or a frame.
        identity: What counts of it, as in `CheckedInputs.files`.
    """

    file: FileArgument
    header: Header | None = None
    uri: str | None = None
    identity: tuple[str, str] | None = None
    warning: str | None = None


@dataclass(frozen=True, kw_only=True)
class CheckedInputs:
    """The arguments to send, with images as data: URIs, and a line for each warning.

    Attributes:
        files: By its place in the arguments, each local image's absolute path, "" for data, and the
            SHA-256 of its bytes as they were read; of a clip's frame, "" and its URI.
    """

    arguments: JSONObject
    files: Mapping[str, tuple[str, str]]
    warnings: tuple[str, ...] = ()


def image_warning(path: str, header: Header) -> str | None:
    """Return a warning about an image that RunComfy may refuse, or may see otherwise."""
    kind = header.kind
    if kind not in SAFE_IMAGE_TYPES:
        return f"{path} is of type {kind}, which RunComfy may not accept; JPEG and PNG are safest."
    if header.turned:
        return (
            f"{path} is meant to be shown turned or mirrored, and only its EXIF orientation says"
            " so, which RunComfy may ignore; use an upright copy."
        )
    return None


def media_warning(file: FileArgument, found: str) -> str | None:
    """Return a warning about a video or audio file of a type that RunComfy may refuse."""
    safe = SAFE_TYPES[file.kind]
    if found in safe:
        return None
    return (
        f"{file.path} is of type {found}, which RunComfy may not accept; {' and '.join(safe)} are"
        " safest."
    )


def find_warnings(
    model: Model, arguments: Mapping[str, object], checked: Sequence[CheckedFile]
) -> Iterator[str]:
    """Yield every warning about a call's files, in the order of the arguments."""
    yield from (found.warning for found in checked if found.warning)
    if inline := [found.file.path for found in checked if found.uri]:
        verb = "is" if len(inline) == 1 else "are"
        yield f"{' and '.join(inline)} {verb} sent as data; RunComfy documents only https URLs."
    yield from _without_effect(model, arguments, checked)
    yield from _differing_ratios(checked)


def _without_effect(
    model: Model, arguments: Mapping[str, object], checked: Sequence[CheckedFile]
) -> Iterator[str]:
    for name in dict.fromkeys(found.file.name for found in checked):
        note = str(model.properties[name].get("description") or "")
        # RunComfy's own words (page): "... will not take effect when the X is set to Y."
        clause = re.search(r"will not take effect when the (\w+) is set to (\w+)", note)
        if clause and str(arguments.get(clause[1])).lower() == clause[2].lower():
            yield f"{name}: {note.removeprefix('Note:').strip()}"


def _differing_ratios(checked: Sequence[CheckedFile]) -> Iterator[str]:
    """Yield a warning for frames of different shapes; images in a list need not be alike.

    Frames are compared as they are shown. Where a tag may rotate one, nothing is known.
    """
    frames = [
        (found.file.path, found.header.shown)
        for found in checked
        if found.header and found.header.sideways is not None and not found.file.in_list
    ]
    for (one, first), (other, second) in pairwise(frames):
        ratio = (first.width * second.height) / (first.height * second.width)
        if abs(ratio - 1) > MAX_RATIO_DIFFERENCE:
            yield f"{one} is {first}, {other} {second}: their aspect ratios differ."
