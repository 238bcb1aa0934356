"""Joined clips played by Chromium, from the first frame to the last: `make play`.

Every frame shows its number, which the page reads; so each that was shown was the right one.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from math import ceil
from pathlib import Path
from queue import Queue
from typing import Any

from typing_extensions import override

from seedance_mcp.clips.join import Part, join_clips
from tests.support.sample_clips import B_FRAMES, SAMPLES, WITHOUT_B_FRAMES, Sample, write_sample

from .chromium import PageHandler, find_chromium, opened, served

SECONDS = 60.0
"""How long a clip may take to be played, of which none lasts two."""

FRAMES_PER_SECOND = 24

PAGE = """<!doctype html><video muted></video><canvas></canvas><script>
const video = document.querySelector("video"), canvas = document.querySelector("canvas")
const event = name => new Promise((yes, no) => {
  video.addEventListener(name, yes, {once: true})
  video.addEventListener("error", () => no(video.error.message), {once: true})
})
function number() {
  const [width, height] = [video.videoWidth, video.videoHeight]
  canvas.width = width; canvas.height = height
  const context = canvas.getContext("2d", {willReadFrequently: true})
  context.drawImage(video, 0, 0)
  let seen = 0
  for (let bit = 0; bit < 8; bit++) {
    const [, green] = context.getImageData((2 * bit + 1) * width / 16, height / 12, 1, 1).data
    if (green > 125) seen |= 1 << bit
  }
  return seen
}
async function show() {
  const frames = []
  video.requestVideoFrameCallback(function shown(_, frame) {
    frames.push([frame.mediaTime, number()])
    video.requestVideoFrameCallback(shown)
  })
  const ended = event("ended")
  video.src = "clip.mp4"
  // So that few frames are dropped on a busy machine.
  video.playbackRate = 0.5
  await video.play()
  await ended
  return {
    ended: video.currentTime, duration: video.duration,
    decoded: video.webkitDecodedFrameCount, audio: video.webkitAudioDecodedByteCount > 0,
    frames,
  }
}
show().catch(error => ({error: String(error)})).then(report =>
  fetch("report", {method: "POST", body: JSON.stringify(report)}))
</script>"""


class Handler(PageHandler):
    """Serves the page, and the clip in ranges."""

    def __init__(self, clip: Path, *args: Any) -> None:
        self.clip = clip
        super().__init__(PAGE, *args)

    @override
    def do_GET(self) -> None:
        """Answer with the page, or with the clip from the place that is asked for."""
        if self.path != "/clip.mp4":
            super().do_GET()
            return
        body = self.clip.read_bytes()
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        headers = {
            "Content-Type": "video/mp4",
            "Accept-Ranges": "bytes",
            "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}",
        }
        self.answer(206, headers, body[start:])


def play(chromium: str, clip: Path, folder: Path) -> dict[str, Any]:
    """Return what a clip looks like in Chromium."""
    reports: Queue[dict[str, Any]] = Queue()
    flags = ("--autoplay-policy=no-user-gesture-required", "--mute-audio")
    with (
        served(partial(Handler, clip, reports)) as port,
        opened(chromium, f"http://127.0.0.1:{port}/", folder, *flags),
    ):
        return reports.get(timeout=SECONDS)


def write_clips(folder: Path) -> dict[str, Path]:
    """Write the clips to be joined, by what is special of them."""
    sound = Sample(audio_seconds=1, options=WITHOUT_B_FRAMES)
    made = {
        "plain": WITHOUT_B_FRAMES,
        "CAVLC": {**WITHOUT_B_FRAMES, "coder": "0"},
        "three references": {**WITHOUT_B_FRAMES, "refs": "3"},
        "B-frames": B_FRAMES,
    }
    clips = {
        name: write_sample(folder / f"{name}.mp4", Sample(numbers=range(24), options=options))
        for name, options in made.items()
    }
    for name in ("one frame", "10-bit", "variable rate", "bt709 limited", "turned by 90"):
        clips[name] = SAMPLES[name](folder / f"{name}.mp4")
    clips["audio"] = write_sample(folder / "audio.mp4", replace(sound, numbers=range(24)))
    large = Sample(numbers=range(24), width=128, height=96, options=B_FRAMES)
    clips["large"] = write_sample(folder / "large.mp4", large)
    return clips


PLAIN = list(range(24))
REST = PLAIN[1:]
# The names of joined clips, "+" for one that continues the one before; and the numbers to be seen.
CASES: dict[tuple[str, ...], list[int]] = {
    ("plain", "plain"): PLAIN * 2,
    ("plain", "+plain", "+plain"): PLAIN + REST * 2,
    ("plain", "B-frames", "CAVLC", "three references", "plain"): PLAIN * 5,
    ("B-frames", "+plain", "+CAVLC", "+B-frames", "+three references"): PLAIN + REST * 4,
    ("one frame", "plain", "+one frame", "plain"): [5, *PLAIN, *PLAIN],
    ("audio", "+plain", "+audio", "audio"): PLAIN + REST * 2 + PLAIN,
    ("plain", "+large"): PLAIN + REST,
    ("10-bit", "10-bit"): [*range(6)] * 2,
    ("10-bit", "plain"): [*range(6), *PLAIN],
    ("bt709 limited", "+plain"): [*range(6), *REST],
}


def differences(names: tuple[str, ...], seen: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a clip as it was played."""
    expected = CASES[names]
    if "error" in seen:
        yield seen["error"]
        return
    if abs(seen["duration"] - len(expected) / FRAMES_PER_SECOND) > 0.001:
        yield f"duration {seen['duration']} for {len(expected) / FRAMES_PER_SECOND}"
    if seen["ended"] < seen["duration"] - 0.001:
        yield f"ended at {seen['ended']} of {seen['duration']}"
    if seen["decoded"] < len(expected):
        yield f"{seen['decoded']} frames of {len(expected)} were decoded"
    if len(seen["frames"]) < len(expected) / 2:
        yield f"{len(seen['frames'])} frames of {len(expected)} were shown"
    for time, number in seen["frames"]:
        place = time * FRAMES_PER_SECOND
        # A frame that is shown for a tick, at a seam, doubles the one before.
        doubled = 0.001 < ceil(place) - place < 0.01
        # The next frame may have come before the page has read this one.
        if number not in ([0, 1] if doubled else expected[int(place + 0.001) :][:2]):
            yield f"frame {number} at {place:.4f}"
    if seen["audio"] != ("audio" in names):
        yield "audio is missing" if "audio" in names else "audio that should not be there"


def main() -> int:
    """Join, play and print."""
    chromium = find_chromium()
    failures = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clips = write_clips(folder)
        for names in CASES:
            joined = folder / "joined.mp4"
            parts = [Part(path=clips[name.lstrip("+")], continues=name[0] == "+") for name in names]
            join_clips(parts, joined, lambda _, __: None, lambda: None)
            seen = play(chromium, joined, folder / "profile")
            wrong = list(differences(names, seen))
            failures += bool(wrong)
            outcome = "; ".join(wrong) or (
                f"{seen['decoded']} frames, {len(seen['frames'])} seen, {seen['ended']:.3f} s"
            )
            print(f"{'FAILED' if wrong else 'played':<7} {', '.join(names)}: {outcome}", flush=True)
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
