from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.simulator._queue import Ended, Queue, Queued, Running, State

RANK = {Queued: 0, Running: 1, Ended: 2}


@dataclass(frozen=True)
class Accept:
    run_seconds: int
    queue_seconds: int


@dataclass(frozen=True)
class Cancel:
    job: int


@dataclass(frozen=True)
class Wait:
    seconds: int


STEPS = st.lists(
    st.builds(Accept, st.integers(0, 6), st.integers(0, 3))
    | st.builds(Cancel, st.integers(0, 8))
    | st.builds(Wait, st.integers(1, 4)),
    max_size=30,
)


def observe(workers: int, steps: list[Accept | Cancel | Wait]) -> list[dict[str, State]]:
    """Perform steps and return the state of every job after each."""
    queue, now, jobs = Queue(workers), 0.0, list[str]()
    seen: list[dict[str, State]] = []
    for step in steps:
        match step:
            case Accept(run, wait):
                jobs.append(f"job {len(jobs)}")
                queue.accept(jobs[-1], now, run_seconds=run, queue_seconds=wait)
            case Cancel(number) if number < len(jobs):
                before = queue.state(jobs[number], now)
                assert queue.cancel(jobs[number], now) == isinstance(before, Queued)
            case Cancel():
                pass
            case Wait(seconds):
                now += seconds
        seen.append({job: queue.state(job, now) for job in jobs})
    return seen


def running(states: Mapping[str, State]) -> list[str]:
    return [job for job, state in states.items() if isinstance(state, Running)]


def positions(states: Mapping[str, State]) -> list[int]:
    return [state.position for state in states.values() if isinstance(state, Queued)]


@given(st.integers(1, 3), STEPS)
def test_no_more_jobs_run_than_there_are_workers(
    workers: int, steps: list[Accept | Cancel | Wait]
) -> None:
    assert all(len(running(states)) <= workers for states in observe(workers, steps))


@given(st.integers(1, 3), STEPS)
def test_positions_count_the_jobs_in_front(
    workers: int, steps: list[Accept | Cancel | Wait]
) -> None:
    for states in observe(workers, steps):
        assert positions(states) == list(range(len(positions(states))))


@given(st.integers(1, 3), STEPS)
def test_a_job_never_goes_back_and_an_end_never_changes(
    workers: int, steps: list[Accept | Cancel | Wait]
) -> None:
    seen = observe(workers, steps)
    for before, after in pairwise(seen):
        for job, state in before.items():
            assert RANK[type(after[job])] >= RANK[type(state)]
            if isinstance(state, Ended):
                assert after[job] == state


@given(st.integers(1, 3), STEPS)
def test_no_job_overtakes_another(workers: int, steps: list[Accept | Cancel | Wait]) -> None:
    for states in observe(workers, steps):
        begun = [
            not isinstance(state, Queued)
            for state in states.values()
            if not (isinstance(state, Ended) and state.cancelled)
        ]
        assert begun == sorted(begun, reverse=True)


@given(st.integers(1, 3), STEPS)
def test_no_job_waits_while_a_worker_is_free(
    workers: int, steps: list[Accept | Cancel | Wait]
) -> None:
    impatient = [Accept(s.run_seconds, 0) if isinstance(s, Accept) else s for s in steps]
    for states in observe(workers, impatient):
        assert not positions(states) or len(running(states)) == workers


@given(st.integers(1, 3), st.lists(st.integers(0, 6), min_size=1, max_size=8))
def test_a_job_runs_for_exactly_its_seconds(workers: int, runs: list[int]) -> None:
    queue = Queue(workers)
    for number, run in enumerate(runs):
        queue.accept(str(number), 0, run_seconds=run)
    for number, run in enumerate(runs):
        end = queue.state(str(number), 1000)
        assert isinstance(end, Ended)
        if run:
            assert queue.state(str(number), end.at - run) == Running(end.at - run)
            assert queue.state(str(number), end.at - 0.5) == Running(end.at - run)


def test_a_cancelled_job_makes_room_for_the_next() -> None:
    queue = Queue(1)
    for job in ("first", "second", "third"):
        queue.accept(job, 0, run_seconds=10)
    assert queue.cancel("second", 4)
    assert queue.state("second", 4) == Ended(4, cancelled=True)
    assert queue.state("third", 4) == Queued(0)
    assert queue.state("third", 10) == Running(10)


def test_a_running_or_ended_job_is_not_cancelled() -> None:
    queue = Queue(1)
    queue.accept("only", 0, run_seconds=10)
    assert not queue.cancel("only", 5)
    assert not queue.cancel("only", 15)
    assert queue.state("only", 15) == Ended(10)


def test_an_unknown_job_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Queue(1).state("nobody", 0)


def test_a_queue_needs_at_least_one_worker() -> None:
    with pytest.raises(ValueError, match="workers must be at least 1, not 0"):
        Queue(0)
