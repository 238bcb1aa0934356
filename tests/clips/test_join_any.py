"""Any sequence of clips: the frames of the joined one are those that a model of it expects."""

from fractions import Fraction
from math import floor
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.joining import Samples, join

Shown = list[tuple[Fraction, int]]
HALF = Fraction(1, 2)


def frames(count: int, each: Fraction = Fraction(1)) -> Shown:
    """Return when each of a clip's frames is shown, in 24ths of a second, and its number."""
    return [(each * number, number) for number in range(count)]


SIX = frames(6)
COPIED: dict[str, Shown] = {
    "plain": SIX,
    "B-frames": SIX,
    "CAVLC": SIX,
    "three references": SIX,
    "several key frames": SIX,
    "no edit list": SIX,
    "fine time base": SIX,
    "audio is longer": SIX,
    "one frame": [(Fraction(0), 5)],
    "open GOPs": frames(11),
    "variable rate": [(Fraction(time), n) for n, time in enumerate([0, 1, 5, 6, 20, 21])],
}
# One of these has all of them encoded.
ENCODED: dict[str, Shown] = {
    "large": SIX,
    "bt709 full": SIX,
    "hides last frames": SIX[:4],
    "25 a second": frames(25, Fraction(24, 25)),
    "12 a second": frames(3, Fraction(2)),
}
SHOWN = COPIED | ENCODED

Clips = list[tuple[str, bool]]


def counted(clips: Clips) -> list[tuple[Shown, Fraction]]:
    """Return the frames of each clip that count, from zero on, and how long it lasts."""
    found: list[tuple[Shown, Fraction]] = []
    for place, (name, continues) in enumerate(clips):
        shown = SHOWN[name][1 if continues and place else 0 :]
        if shown:
            last = {"25 a second": Fraction(24, 25), "12 a second": Fraction(2)}.get(name)
            moved = [(at - shown[0][0], number) for at, number in shown]
            found.append((moved, moved[-1][0] + (last or 1)))
    return found


def copied(clips: Clips) -> tuple[Shown, Fraction]:
    """Return when each number is to be seen where packets are copied, and how long it all is."""
    start = Fraction(0)
    seen: Shown = []
    for shown, length in counted(clips):
        seen += [(start + at, number) for at, number in shown]
        start += length
    return seen, start


def encoded(clips: Clips) -> tuple[Shown, Fraction]:
    """Return the same where all is encoded with the first clip's frames of a second."""
    each = {"25 a second": Fraction(24, 25), "12 a second": Fraction(2)}.get(
        clips[0][0], Fraction(1)
    )
    numbers: list[int] = []
    for shown, length in counted(clips):
        count = max(1, floor(length / each + HALF))
        for place in range(count):
            numbers += [[number for at, number in shown if at / each < place + HALF][-1]]
    return [(each * place, number) for place, number in enumerate(numbers)], each * len(numbers)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    clips=st.one_of(
        [
            st.lists(st.tuples(st.sampled_from([*names]), st.booleans()), min_size=2, max_size=5)
            for names in (COPIED, SHOWN)
        ]
    )
)
@example(clips=[("one frame", False), ("one frame", True), ("variable rate", True)])
@example(clips=[("12 a second", False), ("25 a second", True), ("large", True)])
@example(clips=[("25 a second", False), ("variable rate", True), ("one frame", False)])
def test_any_clips_are_joined_frame_by_frame(samples: Samples, clips: Clips) -> None:
    is_copied = {name for name, _ in clips} <= COPIED.keys()
    expected, length = (copied if is_copied else encoded)(clips)
    with TemporaryDirectory() as folder:
        parts = [(samples[name],) if continues else samples[name] for name, continues in clips]
        joined = join(Path(folder) / "joined.mp4", *parts)
    tick = joined.time_base * 24
    seen = [
        (at * tick, number)
        for at, number, after in zip(
            joined.times, joined.numbers, [*joined.times[1:], None], strict=True
        )
        # A frame that is shown for one tick is not seen.
        if after is None or after - at > 1
    ]
    assert seen == expected
    assert abs(Fraction(joined.seconds) * 24 - length) < Fraction(1, 20)
