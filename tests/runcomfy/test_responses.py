from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from seedance_mcp.errors import InputError, UnreadableAnswer
from seedance_mcp.jobs.status import (
    Cancelled,
    Ended,
    Failed,
    Observation,
    Outputs,
    Queued,
    Running,
    Status,
    Succeeded,
)
from seedance_mcp.runcomfy._responses import (
    check_request_id,
    read_cancel,
    read_object,
    read_outputs,
    read_result,
    read_status,
    read_status_word,
    read_submit,
)

CLIP = "https://outputs.example/clip.mp4"
OTHER = "https://outputs.example/other.mp4"
IMAGE = "https://outputs.example/last.png"
FILE = "https://outputs.example/download?id=7"
NOTHING_YET = Ended(how=Status.COMPLETED, listed=Succeeded(outputs=Outputs()))
UUID = "0b4c6d0e-7a5f-4c1e-9a55-2f0f8f5c9d11"
TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WORDS = {
    Status.IN_QUEUE: ["in_queue", "IN_QUEUE", "In_Queue", "in queue", "in-queue", " queued\n"],
    Status.IN_PROGRESS: ["in_progress", "In Progress", "IN-PROGRESS", "running", "warming", ""],
    Status.COMPLETED: ["completed", "COMPLETED", "succeeded", "Succeeded", "success"],
    Status.FAILED: ["failed", "FAILED", "Error"],
    Status.CANCELLED: ["cancelled", "Cancelled", "canceled", "CANCELED"],
}


def result(**body: Any) -> Observation:
    """Read a complete result answer with some fields changed."""
    return read_result(
        {"request_id": UUID, "status": "succeeded", "output": {"video": CLIP}} | body
    )


@pytest.mark.parametrize("request_id", [UUID, "a", "A_b-9", "x" * 128])
def test_an_id_of_letters_digits_and_dashes_passes(request_id: str) -> None:
    assert check_request_id(request_id) == request_id
    assert read_submit({"request_id": request_id, "status_url": "https://evil/"}) == request_id


BAD_IDS = [
    "",
    "x" * 129,
    "../../v2/deployments",
    "a/b",
    "a b",
    "a\n",
    "a?b",
    "a#",
    "a.b",
    "%2e",
    "é",
]


@pytest.mark.parametrize("request_id", BAD_IDS)
def test_an_id_that_could_change_a_url_is_refused(request_id: str) -> None:
    with pytest.raises(InputError) as refused:
        check_request_id(request_id)
    assert (refused.value.argument, refused.value.message) == (
        "request_id",
        "request_id must be 1 to 128 letters, digits, - or _, as returned by generate_video.",
    )


@pytest.mark.parametrize("request_id", BAD_IDS)
def test_a_submit_with_such_an_id_is_unreadable(request_id: str) -> None:
    with pytest.raises(UnreadableAnswer, match=r"^RunComfy sent an invalid request_id\.$"):
        read_submit({"request_id": request_id})


@pytest.mark.parametrize("body", [{}, {"request_id": None}, {"request_id": 7}, {"id": UUID}])
def test_a_submit_without_an_id_is_unreadable(body: Mapping[str, Any]) -> None:
    with pytest.raises(
        UnreadableAnswer, match=r"^RunComfy accepted the request without a request_id\.$"
    ):
        read_submit(body)


@pytest.mark.parametrize("body", [None, [], [{"status": "completed"}], "completed", 7, True])
def test_an_answer_other_than_an_object_is_unreadable(body: object) -> None:
    with pytest.raises(UnreadableAnswer, match=r"^RunComfy's answer is not a JSON object\.$"):
        read_object(body)


@pytest.mark.parametrize(
    ("status", "word"), [(status, word) for status, words in WORDS.items() for word in words]
)
def test_a_status_is_read_in_any_spelling_and_an_unknown_word_is_in_progress(
    status: Status, word: str
) -> None:
    assert read_status_word({"status": word}) == status


@pytest.mark.parametrize("body", [{}, {"status": None}, {"status": 2}, {"status": ["completed"]}])
def test_an_answer_without_a_status_is_unreadable(body: Mapping[str, Any]) -> None:
    for read in (read_status, read_result):
        with pytest.raises(UnreadableAnswer, match=r"^RunComfy's answer has no status\.$"):
            read(body)


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ({"status": "in_queue", "queue_position": 3}, Queued(position=3)),
        ({"status": "in_queue", "queue_position": 0}, Queued(position=0)),
        ({"status": "in_queue"}, Queued()),
        *(
            ({"status": "in_queue", "queue_position": position}, Queued())
            for position in (None, -1, True, "3", 1.5, 2**31, [3])
        ),
        ({"status": "in_progress", "queue_position": 3}, Running()),
        ({"status": "rendering"}, Running()),
        ({"status": "completed", "output": {"video": CLIP}}, Ended(how=Status.COMPLETED)),
        ({"status": "Succeeded"}, Ended(how=Status.COMPLETED)),
        ({"status": "failed", "error": "x"}, Ended(how=Status.FAILED)),
        ({"status": "canceled"}, Ended(how=Status.CANCELLED)),
    ],
)
def test_a_status_answer_says_where_the_job_stands_but_not_its_outcome(
    body: Mapping[str, Any], seen: Observation
) -> None:
    assert read_status(body) == seen


@pytest.mark.parametrize("word", WORDS[Status.COMPLETED])
def test_a_success_is_read_with_its_files_cost_and_times(word: str) -> None:
    seen = result(
        status=word,
        output={"video": CLIP, "videos": [CLIP, OTHER], "image": IMAGE, "images": []},
        cost=0.35,
        created_at="2026-01-02T03:04:05Z",
        finished_at="2026-01-02T04:04:05+01:00",
    )
    assert seen == Succeeded(
        outputs=Outputs(videos=(CLIP, OTHER), images=(IMAGE,)),
        cost_usd=0.35,
        created_at=TIME,
        finished_at=TIME,
    )


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ({"output": None}, NOTHING_YET),
        ({"output": {}, "error": None}, NOTHING_YET),
        ({"output": {"videos": []}, "error": ""}, NOTHING_YET),
        ({"output": {"video": "", "input": {"video": CLIP}}}, NOTHING_YET),
        (
            {"output": {"file": FILE}, "error": "a warning", "cost": 0.2},
            Ended(
                how=Status.COMPLETED,
                listed=Succeeded(
                    outputs=Outputs(videos=(FILE,)),
                    cost_usd=0.2,
                    error='RunComfy says: "a warning"',
                ),
            ),
        ),
        (
            {"output": {}, "error": "No frames"},
            Ended(
                how=Status.COMPLETED,
                listed=Succeeded(outputs=Outputs(), error='RunComfy says: "No frames"'),
            ),
        ),
        ({"output": None, "outputs": [CLIP]}, Succeeded(outputs=Outputs(videos=(CLIP,)))),
        (
            {"output": None, "result": {"input": {"video": OTHER}, "output": [{"url": CLIP}]}},
            Succeeded(outputs=Outputs(videos=(CLIP,))),
        ),
        ({"error": "a warning"}, Succeeded(outputs=Outputs(videos=(CLIP,)))),
        ({"status": "failed"}, Failed(error="RunComfy gave no reason")),
        ({"status": "FAILED", "error": ""}, Failed(error="RunComfy gave no reason")),
        ({"status": "failed", "error": "Too\n dark"}, Failed(error='RunComfy says: "Too dark"')),
        ({"status": "failed", "error": {"message": "Dark"}}, Failed(error='RunComfy says: "Dark"')),
        (
            {"status": "failed", "error": "x", "cost": 0},
            Failed(error='RunComfy says: "x"', cost_usd=0.0),
        ),
        (
            {"status": "failed", "error": "x", "created_at": 1767323045},
            Failed(error='RunComfy says: "x"', created_at=TIME),
        ),
        ({"status": "canceled"}, Cancelled()),
        ({"status": "in_queue", "queue_position": 2}, Queued(position=2)),
        ({"status": "in_progress"}, Running()),
        ({"status": "polishing"}, Running()),
    ],
)
def test_a_result_answer_says_how_the_job_ended(body: dict[str, Any], seen: Observation) -> None:
    assert result(**body) == seen


@pytest.mark.parametrize(
    ("output", "videos", "images"),
    [
        ({"video": CLIP}, (CLIP,), ()),
        ({"videos": [CLIP, OTHER]}, (CLIP, OTHER), ()),
        ({"videos": CLIP}, (CLIP,), ()),
        ({"video": [OTHER]}, (OTHER,), ()),
        ({"video": OTHER, "videos": [CLIP, OTHER, CLIP]}, (OTHER, CLIP), ()),
        ({"image": IMAGE, "images": [IMAGE]}, (), (IMAGE,)),
        ({"video": CLIP, "image": IMAGE}, (CLIP,), (IMAGE,)),
        ({"video": "HTTPS://OUTPUTS.EXAMPLE/A.MP4"}, ("HTTPS://OUTPUTS.EXAMPLE/A.MP4",), ()),
        ({"video": "clip.mp4", "videos": ["", "file:///clip.mp4", "https://", None, 7]}, (), ()),
        ({"videos": ["https://[", "https://a.example/\n", "https://a.example/" * 500]}, (), ()),
        ({"url": CLIP, "input": {"video": OTHER}, "inputs": [OTHER]}, (CLIP,), ()),
        ({"input_video": OTHER, "Input": OTHER}, (), ()),
        (CLIP, (CLIP,), ()),
        ([CLIP], (CLIP,), ()),
        ([[{"a": [{"b": CLIP}]}]], (CLIP,), ()),
        (f"{CLIP}?x=.png", (f"{CLIP}?x=.png",), ()),
        ("https://a.example/A.MOV", ("https://a.example/A.MOV",), ()),
        ("https://a.example/a.webm#t", ("https://a.example/a.webm#t",), ()),
        ({"video": {"url": FILE, "thumbnail": OTHER}}, (FILE, OTHER), ()),
        ({"video": {"url": FILE, "thumbnail": IMAGE}}, (FILE,), ()),
        ({"videos": [{"url": FILE, "width": 7}, {"url": f"{FILE}1"}]}, (FILE, f"{FILE}1"), ()),
        ({"videos": [{"url": FILE, "width": 7}, {"url": OTHER}]}, (OTHER, FILE), ()),
        ({"video": {"still": FILE, "url": CLIP}}, (CLIP, FILE), ()),
        *(
            ({"video": {key: FILE, "url": f"{FILE}1"}}, (f"{FILE}1",), ())
            for key in ("thumbnail", "Thumbnail_URL", "poster", "preview", "cover_url", "my_image")
        ),
        ({"video": {"previews": [{"url": OTHER}], "url": FILE}}, (FILE, OTHER), ()),
        ({"image": OTHER, "clip": CLIP}, (CLIP, OTHER), ()),
        ({"thumbnail": FILE, "image_link": f"{FILE}1"}, (), ()),
        ({"image_to_video": {"video": FILE}}, (FILE,), ()),
        ({"videos": ["https://@a.example/", "https://:80/a", "https://a.example\\b"]}, (), ()),
        (
            {"videos": ["http://[::1]:80/a", "https://a.mov"]},
            ("http://[::1]:80/a", "https://a.mov"),
            (),
        ),
        (
            {"video": 'https://a.example/\u3164"\u00e9<%20'},
            ("https://a.example/%E3%85%A4%22%C3%A9%3C%20",),
            (),
        ),
        ({"video": {"file": {"url": FILE}}}, (FILE,), ()),
        ({"video": {"src": FILE}}, (FILE,), ()),
        ({"Videos": [{"a": [{"b": {"href": FILE}}]}]}, (FILE,), ()),
        ({"video": {"file": FILE, "input": {"url": OTHER}, "inputs": [OTHER]}}, (FILE,), ()),
        ({"video": {"file": {"url": FILE}, "image": {"src": f"{FILE}1"}}}, (FILE,), (f"{FILE}1",)),
        ({"images": [{"file": {"url": IMAGE}}], "video": FILE}, (FILE,), (IMAGE,)),
        ({"video": {"file": {"url": FILE}, "poster": {"src": IMAGE}}}, (FILE,), ()),
        ({"video": [[FILE]], "images": [{"url": IMAGE}]}, (FILE,), (IMAGE,)),
        ({"video_url": FILE, "image_urls": [IMAGE]}, (FILE,), (IMAGE,)),
        ({"image": FILE, "videos": [FILE]}, (FILE,), (FILE,)),
        (None, (), ()),
    ],
)
def test_outputs_are_read_in_every_form_once_and_in_order(
    output: object, videos: tuple[str, ...], images: tuple[str, ...]
) -> None:
    assert read_outputs(output) == (Outputs(videos=videos, images=images), bool(videos))


@pytest.mark.parametrize("output", [FILE, [FILE], {"url": FILE}, {"file": {"href": FILE}}])
def test_a_url_that_may_be_a_video_is_kept_but_is_not_certain(output: object) -> None:
    assert read_outputs(output) == (Outputs(videos=(FILE,)), False)


def test_outputs_are_read_only_so_deep_and_so_many() -> None:
    deep: object = CLIP
    for _ in range(900):
        deep = [deep]
    assert read_outputs(deep) == (Outputs(), False)
    many = tuple(f"https://outputs.example/{number}.mp4" for number in range(1000))
    assert read_outputs(list(many)) == (Outputs(videos=many[:100]), True)


@pytest.mark.parametrize("video", [{"video": FILE}, {"url": CLIP}])
def test_no_number_of_other_urls_hides_a_video(video: object) -> None:
    images = tuple(f"{FILE}{number}" for number in range(50_000))
    url = CLIP if "url" in str(video) else FILE
    for others in ({"images": images[:]}, {"files": images}):
        output = [{key: list(urls) for key, urls in others.items()}, video]
        kept = images[:100] if "images" in others else ()
        assert read_outputs(output) == (Outputs(videos=(url,), images=kept), True)


def test_echoed_inputs_are_never_taken_for_outputs() -> None:
    echo = {"first_frame_image_url": IMAGE, "video": OTHER, "images": [IMAGE]}
    assert result(input=echo, inputs=echo, **echo) == Succeeded(outputs=Outputs(videos=(CLIP,)))


@pytest.mark.parametrize(
    ("cost", "usd"),
    [(0.35, 0.35), (0, 0.0), (2, 2.0), ("0.35", 0.35), (" 1 ", 1.0), (1e-9, 1e-9), (1e6, 1e6)]
    + [(cost, None) for cost in (None, -1, "", "free", True, [1], {"usd": 1}, "nan", float("inf"))]
    + [(10**400, None), ("9" * 400, None), (1e300, None), (1000001, None), ("1000001", None)]
    + [
        (cost, None)
        for cost in ("1_000", "\u0663", "\uff11", "1e3", "0x1", "+1", ".5", "1.", "1\n")
    ],
)
def test_a_cost_is_read_as_dollars_or_not_at_all(cost: object, usd: float | None) -> None:
    assert result(cost=cost) == Succeeded(outputs=Outputs(videos=(CLIP,)), cost_usd=usd)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("2026-01-02T03:04:05Z", TIME),
        ("2026-01-02T03:04:05.000000+00:00", TIME),
        ("2026-01-02 05:04:05+02:00", TIME),
        ("2026-01-02T03:04:05", TIME),
        (1767323045, TIME),
        (1767323045.0, TIME),
        (1767323045000, TIME),
        ("1767323045", TIME),
        ("1767323045000", TIME),
    ]
    + [(said, None) for said in (None, "", "yesterday", 0, -5, True, [7], "9" * 400, 1e300)]
    + [("0001-01-01T00:00:00+23:59", None), ("Fri, 02 Jan 2026 03:04:05 GMT", None)],
)
def test_a_time_is_read_in_every_plausible_form_as_utc(said: object, read: datetime | None) -> None:
    assert result(finished_at=said) == Succeeded(outputs=Outputs(videos=(CLIP,)), finished_at=read)


@pytest.mark.parametrize(
    ("body", "cancelled"),
    [
        ({"outcome": "cancelled", "status": "cancelled"}, True),
        ({"outcome": "Cancelled "}, True),
        ({"outcome": "canceled"}, True),
        ({"status": "cancelled"}, True),
        ({"outcome": "accepted", "status": "CANCELLED"}, True),
        ({"outcome": "not_cancellable", "status": "in_progress"}, False),
        ({"outcome": "not_cancellable", "status": "completed"}, False),
        ({"outcome": None, "status": "in_queue"}, False),
    ],
)
def test_a_cancel_is_read_from_its_outcome_or_its_status(
    body: Mapping[str, Any],
    cancelled: bool,
) -> None:
    assert read_cancel(body) is cancelled


@pytest.mark.parametrize("body", [{}, {"outcome": True}, {"outcome": None, "status": 1}])
def test_a_cancel_without_an_outcome_is_unreadable(body: Mapping[str, Any]) -> None:
    with pytest.raises(UnreadableAnswer, match=r"^RunComfy's answer to a cancel has no outcome\.$"):
        read_cancel(body)
