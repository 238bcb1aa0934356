"""The URIs of frames: exactly two forms, whatever is in the place of the request_id."""

import re

from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.jobs.uris import ClipFrame, is_own_uri, parse_frame_uri

IDS = st.from_regex(REQUEST_ID_PATTERN.replace("$", r"\Z"), fullmatch=True)
PARTS = st.sampled_from(
    [
        *("seedance:", "SEEDANCE:", "//", "/", "jobs", "..", "%2e", "@", ":80", "?", "#", "\n"),
        *("x", "last-frame", "first-frame", "middle-frame", "é", " ", "\0"),
    ]
)


@given(IDS, st.sampled_from(["first", "last"]))
def test_the_uri_of_a_frame_is_read_as_that_frame(request_id: str, which: str) -> None:
    uri = f"seedance://jobs/{request_id}/{which}-frame"
    frame = parse_frame_uri(uri)
    assert frame is not None
    assert (frame.request_id, frame.which, frame.uri) == (request_id, which, uri)
    assert str(frame) == f"the {which} frame of {request_id}"
    assert is_own_uri(uri)


@given(st.lists(PARTS, max_size=12).map("".join) | st.text())
def test_nothing_else_is_one(value: str) -> None:
    frame = parse_frame_uri(value)
    exact = re.match(r"seedance://jobs/[A-Za-z0-9_-]{1,128}/(first|last)-frame\Z", value)
    assert (frame is None) is (exact is None)
    assert frame is None or frame.uri == value


def test_frames_of_one_job_differ() -> None:
    first, last = (ClipFrame(request_id="a", which=which) for which in ("first", "last"))
    assert first != last
    assert first.uri != last.uri
