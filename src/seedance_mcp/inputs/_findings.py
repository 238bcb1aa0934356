"""What came of looking at images, and what is said of it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from seedance_mcp.errors import InputError
from seedance_mcp.models.model import JSONObject, Model

from ._image_header import Header

SAFE_KINDS = ("JPEG", "PNG", "WebP")
"""What no service is known to refuse; RunComfy documents no types at all (page)."""

RATIO_TOLERANCE = 0.01
"""How much two frames' aspect ratios may differ unsaid: no more than scaling's rounding does."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What came of one image: what is None was not learned, or is not to be said.

    Attributes:
        header: Its type and size.
        uri: What is sent instead of a local image.
        warning: What the caller should know.
        refusal: Why the call is refused.
    """

    header: Header | None = None
    uri: str | None = None
    warning: str | None = None
    refusal: InputError | None = None


def odd(name: str, header: Header) -> str | None:
    """Warn of a type that is seldom taken."""
    if header.kind in SAFE_KINDS:
        return None
    return f"{name} is of type {header.kind}, which RunComfy may not take; JPEG and PNG are safest."


def said(looks: Mapping[str, Look]) -> Iterator[str]:
    """Give the warnings of the images themselves, in the order of the arguments."""
    for look in looks.values():
        if look.warning:
            yield look.warning
    if local := [name for name, look in looks.items() if look.uri]:
        verb = "is" if len(local) == 1 else "are"
        yield f"{' and '.join(local)} {verb} sent as data; RunComfy documents only https URLs."


def advice(model: Model, arguments: JSONObject, looks: Mapping[str, Look]) -> Iterator[str]:
    """Say what is allowed and yet hardly meant."""
    for name in looks:
        note = str(model.properties[name].get("description") or "")
        # The service's own words (page): "... will not take effect when the X is set to Y."
        told = re.search(r"will not take effect when the (\w+) is set to (\w+)", note)
        if told and str(arguments.get(told[1])).lower() == told[2].lower():
            yield f"{name}: {note.removeprefix('Note:').strip()}"
    # As they are shown: that is how they were chosen. Where a tag may turn one, nothing is known.
    shown = {
        name: look.header.shown
        for name, look in looks.items()
        if look.header and look.header.turned is not None
    }
    for (one, first), (other, second) in pairwise(shown.items()):
        ratio = (first.width * second.height) / (first.height * second.width)
        if abs(ratio - 1) > RATIO_TOLERANCE:
            yield f"{one} is {first}, {other} {second}: their aspect ratios differ."
