from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.errors import UnreadableAnswer
from seedance_mcp.jobs.status import Failed, Queued, Succeeded
from seedance_mcp.runcomfy._error_codes import error_text, read_error
from seedance_mcp.runcomfy._responses import (
    read_cancel,
    read_object,
    read_result,
    read_status,
    read_submit,
)
from tests.support.json_values import json_objects, json_values

STATUS_CODES = st.sampled_from([200, 202, 302, 400, 403, 404, 408, 422, 429, 500, 503])
READERS = [read_submit, read_status, read_result, read_cancel]


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@given(json_values())
def test_any_json_answer_is_read_or_reported_as_unreadable(
    read: Callable[[Any], object], body: object
) -> None:
    try:
        seen = read(read_object(body))
    except UnreadableAnswer as error:
        said = error.message
    else:
        said = seen.error if isinstance(seen, Failed) else "read"
    assert said.isprintable()
    assert 0 < len(said) <= 320


@given(json_objects())
def test_any_json_answer_that_is_read_gives_valid_values(body: dict[str, Any]) -> None:
    seen = read_result(body | {"status": "completed"})
    queued = read_status(body | {"status": "in_queue"})

    assert isinstance(queued, Queued)
    assert queued.position is None or queued.position >= 0
    if isinstance(seen, Succeeded):
        urls = [*seen.outputs.videos, *seen.outputs.images]
        assert urls
        assert all(url.lower().startswith(("http://", "https://")) for url in urls)
        assert seen.cost_usd is None or seen.cost_usd >= 0
        times = [time for time in (seen.created_at, seen.finished_at) if time]
        assert all(str(time.tzinfo) == "UTC" for time in times)


@given(STATUS_CODES, json_objects() | json_values(), st.sampled_from(["model", "job"]))
def test_any_error_answer_becomes_one_short_line(
    status_code: int, body: object, about: Any
) -> None:
    error = read_error(status_code, body, about=about)

    if error is None:
        assert status_code in {200, 202}
    else:
        assert error.line.isprintable()
        assert 0 < len(error.line) <= 400


@given(json_objects() | json_values())
def test_a_text_from_runcomfy_is_one_line_of_at_most_300_characters(body: object) -> None:
    said = error_text(body)
    assert said is None or (said.isprintable() and 0 < len(said) <= 300)
