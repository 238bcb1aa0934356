"""What the server learns about a client's clock from a session's calls, and what it forgets."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from seedance_mcp.mcp_server._client_clock import (
    MOST_GIVEN_UP,
    MOST_SESSIONS,
    ClientClock,
    ClientClocks,
    ClockedCall,
    call_key,
)


@dataclass
class Session:
    """A clock, and all that happened to it: who began, who ended, and when."""

    clock: ClientClock = field(default_factory=ClientClock)
    now: float = 0.0
    open: list[ClockedCall] = field(default_factory=list[ClockedCall])
    log: list[tuple[str, ClockedCall, float]] = field(
        default_factory=list[tuple[str, ClockedCall, float]]
    )

    def begin(self, key: int) -> None:
        call = self.clock.begin(key, self.now)
        self.open.append(call)
        self.log.append(("begin", call, self.now))

    def end(self, which: int, *, cancelled: bool) -> None:
        if self.open:
            call = self.open.pop(which % len(self.open))
            self.clock.end(call, self.now, cancelled=cancelled)
            self.log.append(("cancel" if cancelled else "answer", call, self.now))

    def waited(self, index: int) -> float | None:
        """Return how long the client waited for what the call begun in a line of the log repeats.

        A cancel since the last call for the same counts; else the last one that is not answered.
        """
        _, call, now = self.log[index]
        same = [line for line in self.log[:index] if line[1].key == call.key]
        last = max((n for n, line in enumerate(same) if line[0] == "begin"), default=0)
        cancelled = [(earlier, at) for event, earlier, at in same[last:] if event == "cancel"]
        if cancelled and now - cancelled[-1][1] <= 60:
            return cancelled[-1][1] - cancelled[-1][0].began
        over = [id(earlier) for event, earlier, _ in same if event != "begin"]
        waiting = [each for event, each, _ in same if event == "begin" and id(each) not in over]
        return now - waiting[-1].began if waiting else None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 2)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.tuples(st.just("answer"), st.integers(0, 5)),
        st.tuples(st.just("pass"), st.sampled_from([0.5, 2.0, 2.5, 7.0, 61.0, 899.0])),
    ),
    max_size=40,
)


@given(STEPS)
def test_the_newest_call_that_repeats_one_given_up_says_how_long_a_client_waits(
    steps: list[tuple[str, float]],
) -> None:
    session, lesson = Session(), None
    for step, value in steps:
        match step:
            case "begin":
                session.begin(int(value))
                waited = session.waited(len(session.log) - 1)
                assert session.open[-1].repeats is (waited is not None)
                if waited is not None and waited >= 2.5:
                    lesson = waited, session.now
            case "pass":
                session.now += value
            case _:
                session.end(int(value), cancelled=step == "cancel")
        fresh = lesson is not None and session.now - lesson[1] < 900
        expected = 0.8 * lesson[0] if lesson and fresh else None
        assert session.clock.most_seconds(session.now) == expected


def teach(clock: ClientClock, key: int = 1) -> None:
    """Cancel a call after 5 seconds and repeat it."""
    clock.end(clock.begin(key, 0), 5, cancelled=True)
    assert clock.begin(key, 6).repeats


def test_sessions_learn_apart_and_only_the_latest_are_remembered() -> None:
    clocks = ClientClocks()
    first = clocks.of("first")
    teach(first)
    for number in range(MOST_SESSIONS - 1):
        other = clocks.of(f"session {number}")
        assert other.most_seconds(7) is None
    # A session that is in use is remembered.
    assert clocks.of("first") is first
    for number in range(MOST_SESSIONS):
        clocks.of(f"another session {number}")
    assert clocks.of("first") is not first


def test_calls_for_another_clip_repeat_only_what_was_cancelled_or_waits_for_long() -> None:
    clock = ClientClock()
    first = clock.begin(1, 0, force_new=True)
    seen = [clock.begin(1, at, force_new=True) for at in (0.1, 2.5, 5.1)]
    assert [(call.repeats, call.first_began) for call in seen] == [
        (False, 0.1),
        (False, 2.5),
        (True, 2.5),
    ]
    clock.end(seen[2], 6, cancelled=True)
    assert clock.begin(1, 7, force_new=True).first_began == 2.5
    assert (first.repeats, clock.most_seconds(8)) == (False, None)


def test_only_so_many_cancelled_calls_are_remembered() -> None:
    clock = ClientClock()
    for key in range(MOST_GIVEN_UP + 1):
        clock.end(clock.begin(key, 0), 5, cancelled=True)
    assert [clock.begin(key, 6).repeats for key in (0, 1)] == [False, True]


def test_calls_are_the_same_whatever_their_wait_and_the_order_of_their_arguments() -> None:
    asked = {"prompt": "A lake.", "images": ["a", "b"], "force_new": False}
    key = call_key("generate_video", {**asked, "wait_seconds": 5})
    assert key == call_key("generate_video", dict(reversed(asked.items())))
    for other in ({"images": ["b", "a"]}, {"force_new": True}, {"prompt": "a lake."}):
        assert call_key("generate_video", asked | other) != key
    assert call_key("generate_video_pro", asked) != key
