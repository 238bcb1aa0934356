from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.jobs.job import Job, advance
from seedance_mcp.jobs.status import (
    FINAL_OBSERVATIONS,
    Accepted,
    Cancelled,
    Ended,
    Failed,
    Observation,
    OutcomeLost,
    Outputs,
    Queued,
    Running,
    Status,
    Succeeded,
)

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
STARTED = CREATED + timedelta(seconds=30)
NOW = CREATED + timedelta(seconds=90)
CLIP = Outputs(videos=("https://outputs.example/clip.mp4",))
NEW = Job(
    id="ours", model_id="someone/model", arguments={"prompt": "x"}, owner="me", created_at=CREATED
)
QUEUED = replace(NEW, request_id="r-1", status=Status.IN_QUEUE, queue_position=3)
JOBS = {
    "submitting": NEW,
    "unknown": replace(NEW, status=Status.UNKNOWN),
    "in_queue": QUEUED,
    "in_progress": replace(
        QUEUED, status=Status.IN_PROGRESS, queue_position=None, started_at=STARTED
    ),
}
ENDED = {
    "completed": {"outputs": CLIP, "status": Status.COMPLETED},
    "failed": {"error": "too dark", "status": Status.FAILED},
    "cancelled": {"status": Status.CANCELLED},
}
FINAL = {
    word: replace(QUEUED, queue_position=None, finished_at=NOW, **changes)
    for word, changes in ENDED.items()
}

Changes = dict[str, Any]
ACCEPTED: dict[str, tuple[Observation, Changes]] = {
    "accepted": (Accepted(request_id="r-1"), {"request_id": "r-1", "status": Status.IN_QUEUE}),
    "lost": (OutcomeLost(), {"status": Status.UNKNOWN}),
}
RUNNING: Changes = {"status": Status.IN_PROGRESS, "queue_position": None}
FINISHED: Changes = {"queue_position": None, "finished_at": NOW}
UNWATCHED = FINISHED | {"timely": False}
POLLED: dict[str, tuple[Observation, Changes]] = {
    "queued": (Queued(position=1), {"status": Status.IN_QUEUE, "queue_position": 1}),
    "queued somewhere": (Queued(), {"status": Status.IN_QUEUE, "queue_position": None}),
    "running": (Running(), RUNNING),
    "ended well": (Ended(how=Status.COMPLETED), RUNNING),
    "ended badly": (Ended(how=Status.FAILED), RUNNING),
    "ended by a cancel": (Ended(how=Status.CANCELLED), RUNNING),
    "succeeded": (Succeeded(outputs=CLIP), UNWATCHED | ENDED["completed"]),
    "succeeded, and was looked at before": (
        Succeeded(outputs=CLIP, looked_at=NOW - timedelta(seconds=15)),
        FINISHED | ENDED["completed"],
    ),
    "succeeded, and was looked at long before": (
        Succeeded(outputs=CLIP, looked_at=NOW - timedelta(seconds=25)),
        UNWATCHED | ENDED["completed"],
    ),
    "succeeded when the service says": (
        Succeeded(outputs=CLIP, finished_at=NOW - timedelta(seconds=40)),
        FINISHED | ENDED["completed"] | {"finished_at": NOW - timedelta(seconds=40)},
    ),
    "succeeded at a price": (
        Succeeded(outputs=CLIP, cost_usd=0.5),
        UNWATCHED | ENDED["completed"] | {"cost_usd": 0.5},
    ),
    "failed": (Failed(error="too dark"), UNWATCHED | ENDED["failed"]),
    "failed at a price": (
        Failed(error="too dark", cost_usd=0.0),
        UNWATCHED | ENDED["failed"] | {"cost_usd": 0.0},
    ),
    "cancelled": (Cancelled(), FINISHED | ENDED["cancelled"]),
}


@pytest.mark.parametrize("state", ["submitting", "unknown"])
@pytest.mark.parametrize("seen", ACCEPTED)
def test_the_answer_to_the_paid_request_gives_a_job_its_id_or_leaves_it_unknown(
    state: str, seen: str
) -> None:
    observation, changes = ACCEPTED[seen]
    assert advance(JOBS[state], observation, NOW) == replace(JOBS[state], **changes)


NAMED = replace(JOBS["unknown"], request_id="r-1", error="It was an error.")


def test_a_lost_answer_may_name_the_id_of_the_job_that_stays_unknown() -> None:
    lost = OutcomeLost(why="It was an error.", request_id="r-1")
    assert advance(NEW, lost, NOW) == NAMED


@pytest.mark.parametrize("seen", POLLED)
def test_a_poll_of_an_unknown_job_says_where_it_stands_and_forgets_why_it_was_unknown(
    seen: str,
) -> None:
    observation, changes = POLLED[seen]
    starts = {"started_at": NOW} if changes is RUNNING else {}
    expected = replace(NAMED, error=None, **starts)
    assert advance(NAMED, observation, NOW) == replace(expected, **changes)


def test_a_job_that_was_never_accepted_is_cancelled_with_the_reason() -> None:
    ended = advance(NAMED, Cancelled(why="RunComfy does not know it."), NOW)
    assert ended == replace(
        NAMED, status=Status.CANCELLED, finished_at=NOW, error="RunComfy does not know it."
    )


@pytest.mark.parametrize("state", ["in_queue", "in_progress"])
@pytest.mark.parametrize("seen", POLLED)
def test_a_poll_changes_exactly_what_it_reports(state: str, seen: str) -> None:
    observation, changes = POLLED[seen]
    starts = {"started_at": NOW} if changes is RUNNING and state == "in_queue" else {}
    assert advance(JOBS[state], observation, NOW) == replace(JOBS[state], **changes, **starts)


def test_a_run_lasts_from_when_it_was_first_seen_running_to_its_end() -> None:
    ended = advance(JOBS["in_progress"], Succeeded(outputs=CLIP), NOW)
    assert (ended.run_seconds, ended.elapsed_seconds(NOW)) == (60.0, 90.0)
    assert (JOBS["in_progress"].run_seconds, FINAL["completed"].run_seconds) == (None, None)


@pytest.mark.parametrize("state", FINAL)
@pytest.mark.parametrize("seen", ACCEPTED | POLLED)
def test_a_job_in_a_final_state_changes_only_by_a_late_cost_or_clip(state: str, seen: str) -> None:
    observation, changes = (ACCEPTED | POLLED)[seen]
    late = {key: changes[key] for key in ("cost_usd", "outputs") if key in changes}
    later = NOW + timedelta(hours=1)

    assert advance(FINAL[state], observation, later) == replace(FINAL[state], **late)


@pytest.mark.parametrize("state", FINAL)
def test_a_known_cost_is_replaced_by_a_higher_one_alone(state: str) -> None:
    job = replace(FINAL[state], cost_usd=0.0, outputs=CLIP)
    higher = advance(job, Succeeded(outputs=CLIP, cost_usd=9.0), NOW)
    assert higher == replace(job, cost_usd=9.0)
    for cost in (0.0, 8.9, None):
        assert advance(higher, Succeeded(outputs=CLIP, cost_usd=cost), NOW) == higher


AGAIN = Outputs(videos=("https://outputs.example/clip.mp4?signature=2",))
MORE = Outputs(videos=(*CLIP.videos, *AGAIN.videos))
OTHER = Outputs(images=CLIP.videos)


def test_a_newly_signed_link_replaces_the_old_one_and_changes_nothing_else() -> None:
    job = replace(FINAL["completed"], cost_usd=0.2, saved_to=("/clip.mp4",))
    assert advance(job, Succeeded(outputs=AGAIN), NOW) == replace(job, outputs=AGAIN)


@pytest.mark.parametrize("outputs", [MORE, OTHER])
def test_a_different_number_of_outputs_is_ignored_after_the_end(outputs: Outputs) -> None:
    job = replace(FINAL["completed"], cost_usd=0.2, saved_to=("/clip.mp4",))
    assert advance(job, Succeeded(outputs=outputs), NOW) == job


@pytest.mark.parametrize("first", [Outputs(), OTHER, CLIP])
def test_a_completed_job_gains_videos_until_it_is_downloaded(first: Outputs) -> None:
    job = replace(FINAL["completed"], outputs=first)
    gained = advance(job, Succeeded(outputs=MORE), NOW)
    assert gained == replace(job, outputs=MORE)
    assert advance(gained, Succeeded(outputs=Outputs()), NOW) == gained


@pytest.mark.parametrize(
    ("images", "saved_to", "then"),
    [
        (1, ("/a.png",), ("", "", "/a.png")),
        (2, ("/a.png", "/b.png"), ("", "", "/a.png", "/b.png")),
        (2, ("", "/b.png"), ("", "", "", "/b.png")),
    ],
)
def test_a_video_that_comes_after_its_images_were_saved_is_taken_and_their_paths_stay_theirs(
    images: int, saved_to: tuple[str, ...], then: tuple[str, ...]
) -> None:
    stills = tuple(f"https://outputs.example/{n}.png" for n in range(images))
    job = replace(FINAL["completed"], outputs=Outputs(images=stills), saved_to=saved_to)
    for listed in (stills, ()):
        seen = Succeeded(outputs=Outputs(videos=MORE.videos, images=listed))
        late = advance(job, seen, NOW)
        assert late == replace(
            job, outputs=Outputs(videos=MORE.videos, images=stills), saved_to=then
        )


@pytest.mark.parametrize("saved_to", [(), ("/clip.mp4",)])
def test_fewer_videos_never_replace_those_that_were_listed(saved_to: tuple[str, ...]) -> None:
    job = replace(FINAL["completed"], outputs=MORE, saved_to=saved_to)
    for fewer in (CLIP, AGAIN, OTHER, Outputs()):
        assert advance(job, Succeeded(outputs=fewer), NOW) == job


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_clip_that_turns_up_after_a_failure_is_taken_and_the_state_stays(state: str) -> None:
    job = replace(FINAL[state], cost_usd=0.2)
    assert advance(job, Succeeded(outputs=AGAIN), NOW) == replace(job, outputs=AGAIN)


def test_what_runcomfy_says_in_place_of_a_clip_is_kept_until_the_clip_comes() -> None:
    done = advance(QUEUED, Succeeded(outputs=Outputs(), error="No frames"), NOW)
    assert (done.status, done.error) == (Status.COMPLETED, "No frames")
    late = advance(done, Succeeded(outputs=CLIP), NOW)
    assert late == replace(done, outputs=CLIP, error=None)
    never_ran = advance(QUEUED, Cancelled(why="It did not run."), NOW)
    assert advance(never_ran, Succeeded(outputs=CLIP), NOW).error is None


@pytest.mark.parametrize("state", ["in_queue", "in_progress"])
def test_a_lost_answer_does_not_change_a_job_whose_id_is_known(state: str) -> None:
    assert advance(JOBS[state], OutcomeLost(), NOW) == JOBS[state]


@pytest.mark.parametrize("state", ["in_queue", "in_progress"])
def test_a_second_acceptance_never_replaces_the_id_of_the_first(state: str) -> None:
    assert advance(JOBS[state], Accepted(request_id="r-2"), NOW).request_id == "r-1"


def test_the_final_states_are_those_that_the_final_observations_lead_to() -> None:
    reached = {
        advance(QUEUED, observation, NOW).status
        for observation, _ in POLLED.values()
        if isinstance(observation, FINAL_OBSERVATIONS)
    }
    assert reached == {status for status in Status if status.final}
    assert reached == {Status.COMPLETED, Status.FAILED, Status.CANCELLED}


SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("said", "believed"),
    [
        (None, NOW),
        (CREATED, CREATED),
        (CREATED + 30 * SECOND, CREATED + 30 * SECOND),
        (NOW, NOW),
        (NOW + SECOND, NOW),
        (CREATED - SECOND, NOW),
    ],
)
def test_runcomfys_end_time_counts_only_if_it_is_consistent_with_ours(
    said: datetime | None, believed: datetime
) -> None:
    for seen in (Succeeded(outputs=CLIP, finished_at=said), Failed(error="x", finished_at=said)):
        assert advance(QUEUED, seen, NOW).finished_at == believed


@pytest.mark.parametrize(
    ("model_id", "said", "believed"),
    [
        ("someone/model", CREATED - 60 * SECOND, CREATED),
        (None, CREATED - 60 * SECOND, CREATED - 60 * SECOND),
        (None, CREATED + SECOND, CREATED),
        (None, None, CREATED),
    ],
)
def test_only_a_job_started_elsewhere_takes_its_creation_time_from_runcomfy(
    model_id: str | None, said: datetime | None, believed: datetime
) -> None:
    job = replace(QUEUED, model_id=model_id)
    for seen in (Succeeded(outputs=CLIP, created_at=said), Failed(error="x", created_at=said)):
        assert advance(job, seen, NOW).created_at == believed


def test_a_jobs_age_grows_until_it_ends() -> None:
    ended = advance(QUEUED, Cancelled(), NOW)

    assert QUEUED.elapsed_seconds(NOW) == 90.0
    assert ended.elapsed_seconds(NOW + timedelta(days=1)) == 90.0
    assert QUEUED.elapsed_seconds(CREATED - SECOND) == 0.0


TIMES = st.integers(-90_000, 90_000).map(lambda seconds: CREATED + timedelta(seconds=seconds))
RESULT = {
    "cost_usd": st.none() | st.floats(0, 100),
    "created_at": st.none() | TIMES,
    "finished_at": st.none() | TIMES,
}
POLLS = st.one_of(
    st.builds(Queued, position=st.none() | st.integers(0, 99)),
    st.just(Running()),
    st.builds(Ended, how=st.sampled_from([s for s in Status if s.final])),
    st.builds(Succeeded, outputs=st.just(CLIP), **RESULT),
    st.builds(Failed, error=st.text(min_size=1, max_size=9), **RESULT),
    st.just(Cancelled()),
)
BEGINNINGS = st.sampled_from(
    [
        (NEW, [Accepted(request_id="r-1")]),
        (NEW, [OutcomeLost(), Accepted(request_id="r-1")]),
        (replace(QUEUED, model_id=None, queue_position=None), []),
    ]
)


@given(BEGINNINGS, st.lists(st.tuples(POLLS, TIMES), max_size=12), TIMES)
def test_a_job_stays_consistent_after_any_observations(
    beginning: tuple[Job, list[Observation]],
    polls: list[tuple[Observation, datetime]],
    at: datetime,
) -> None:
    job, answers = beginning
    for seen, now in [*((answer, CREATED) for answer in answers), *polls]:
        before, job = job, advance(job, seen, now)

        assert (job.id, job.owner, job.arguments) == (before.id, before.owner, before.arguments)
        assert before.request_id in {None, job.request_id}
        assert (job.finished_at is not None) == job.status.final
        assert job.queue_position is None or job.status is Status.IN_QUEUE
        assert bool(job.outputs) <= job.status.final
        assert bool(job.outputs) >= (job.status is Status.COMPLETED)
        assert (job.error is not None) == (job.status is Status.FAILED)
        assert job.elapsed_seconds(at) >= 0
        if before.status.final:
            outputs = before.outputs or job.outputs
            assert job == replace(before, cost_usd=job.cost_usd, outputs=outputs)
            assert (before.cost_usd or 0) <= (job.cost_usd or 0)
    assert job.request_id == "r-1"


IMAGE = "data:image/png;base64,iVBORw0KGgo="
HASH = "sha256:e1e10747c2374f621aa59fefede6ef99dc6acdb41b267ab4af408d5529f89ea8"


def with_arguments(**arguments: Any) -> Job:
    return replace(NEW, model_id="bytedance/seedance-1-0/lite/image-to-video", arguments=arguments)


def test_a_fingerprint_is_the_one_that_existing_ledgers_hold() -> None:
    job = with_arguments(
        prompt="A lake",
        first_frame_image_url=IMAGE,
        last_frame_image_url="https://images.example/lake.jpg",
        resolution="480p",
        duration=5,
    )
    assert job.digest == dict(job.arguments) | {
        "first_frame_image_url": f"{HASH} of data:image/png;base64"
    }
    assert job.fingerprint == "173bf0270dd536fceb7e3331e36ae8b57825dd7d038ee4b7cb4869e243dbda1d"


def test_data_uris_in_lists_and_objects_are_kept_as_hashes() -> None:
    link, kept = "https://images.example/lake.jpg", f"{HASH} of data:image/png;base64"
    digest = with_arguments(images=[IMAGE, link, [IMAGE]], extra={"image": IMAGE}).digest
    assert digest == {"images": [kept, link, [kept]], "extra": {"image": kept}}
    assert with_arguments(**digest).digest == digest


@pytest.mark.parametrize(
    "head", ["data:video/mp4;base64,", "data:;base64,", "DATA:audio/wav;base64,"]
)
def test_a_data_uri_of_any_kind_is_kept_as_its_hash(head: str) -> None:
    digest = with_arguments(audios=[head + "AAAA"]).digest
    assert digest["audios"][0].startswith("sha256:")
    assert digest["audios"][0].endswith(f" of {head[:-1]}")


@pytest.mark.parametrize("text", ["data: an old tape, base64, and a lake", "a data:image/png"])
def test_text_that_only_mentions_data_is_kept_whole(text: str) -> None:
    assert with_arguments(prompt=text).digest == {"prompt": text}
