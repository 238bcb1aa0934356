"""The URIs of jobs, and of the frames of their clips, which image arguments take."""

import re
from dataclasses import dataclass
from typing import Literal

JOBS_URI = "seedance://jobs"

_FRAME_URI = re.compile(f"{JOBS_URI}/([A-Za-z0-9_-]{{1,128}})/(first|last)-frame", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class ClipFrame:
    """The first or the last frame that a job's clip shows."""

    request_id: str
    which: Literal["first", "last"]

    def __str__(self) -> str:
        """Return the frame in words."""
        return f"the {self.which} frame of {self.request_id}"

    @property
    def uri(self) -> str:
        """The value of an image argument that means it."""
        return f"{JOBS_URI}/{self.request_id}/{self.which}-frame"


def is_own_uri(value: str) -> bool:
    """Return whether a value is meant as a URI of ours, well-formed or not."""
    return value[:9].lower() == "seedance:"


def parse_frame_uri(value: str) -> ClipFrame | None:
    """Return the frame that a URI means, None if it is not exactly the URI of one."""
    found = _FRAME_URI.fullmatch(value)
    if not found:
        return None
    return ClipFrame(request_id=found[1], which="first" if found[2] == "first" else "last")
