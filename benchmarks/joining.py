"""Measure joining 20 clips of 5 seconds at 720p, compared with `ffmpeg -c copy`.

Run it with `python -m benchmarks.joining`. Both run in turn on the same files, in memory where
there is room, so the ratio is meaningful on any machine. It needs the command ffmpeg: apt-get
install ffmpeg.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import median

from seedance_mcp.clips.join import Part, join_clips

RUNS = 9
CLIPS = 20
SECONDS, RATE = 5, 24
WIDTH, HEIGHT = 1280, 720
BITS_A_SECOND = 8_000_000
MOST_SECONDS, MOST_MEGABYTES, MOST_RATIO = 2.0, 100.0, 2.0


def write_clip(path: Path, seed: int) -> None:
    """Write a clip of noise, which is as large as clips of much detail are."""
    import av

    noise = Random(seed).randbytes(WIDTH * HEIGHT * 2)
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=RATE, options={"preset": "ultrafast"})
        video.width, video.height, video.bit_rate = WIDTH, HEIGHT, BITS_A_SECOND
        audio = container.add_stream("aac", rate=48000)
        for number in range(SECONDS * RATE):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            for plane in frame.planes:
                plane.update(noise[number * 5000 :][: plane.buffer_size])
            container.mux(video.encode(frame))
            sound = av.AudioFrame(format="s16", layout="stereo", samples=48000 // RATE)
            sound.sample_rate = 48000
            sound.planes[0].update(noise[number * 7000 :][: sound.planes[0].buffer_size])
            container.mux(audio.encode(sound))
        container.mux(video.encode())
        container.mux(audio.encode())


def write_clips(folder: Path) -> None:
    """Write all clips, of which some are the same."""
    for number in range(CLIPS):
        path = folder / f"{number}.mp4"
        if number < 4:
            write_clip(path, number)
        else:
            shutil.copy(folder / f"{number % 4}.mp4", path)


def peak_megabytes() -> float:
    """Return the most memory that this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def seconds(act: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def measured(ffmpeg: str, folder: Path) -> tuple[list[float], list[float]]:
    """Return the seconds of our runs and of ffmpeg's, one after the other in turn."""
    parts = [Part(path=folder / f"{number}.mp4") for number in range(CLIPS)]
    names = folder / "names"
    names.write_text("".join(f"file '{part.path}'\n" for part in parts))
    concat = ["-v", "error", "-y", "-f", "concat", "-safe", "0", "-i", str(names)]
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(RUNS):
        ours.append(
            seconds(lambda: join_clips(parts, folder / "a.mp4", lambda _, __: None, lambda: None))
        )
        theirs.append(
            seconds(
                lambda: subprocess.run(
                    [ffmpeg, *concat, "-c", "copy", str(folder / "b.mp4")], check=True
                )
            )
        )
    return ours, theirs


def main() -> None:
    """Measure and print."""
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        sys.exit("ffmpeg is missing: apt-get install ffmpeg")
    memory = Path("/dev/shm")  # noqa: S108 - the folder in it has a name of its own
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as temporary:
        # In another process, since encoding needs more memory than what is measured.
        subprocess.run([sys.executable, "-m", "benchmarks.joining", temporary], check=True)
        before = peak_megabytes()
        ours, theirs = measured(ffmpeg, Path(temporary))
        megabytes = peak_megabytes() - before
    ratio = median(ours) / median(theirs)
    print(
        f"{f'{CLIPS} clips of {SECONDS} s, 720p':<24} {'median':>8} {'fastest':>8} {'slowest':>8}"
    )
    for name, times in {"join_clips": ours, "ffmpeg -c copy": theirs}.items():
        print(f"{name:<24} {median(times):>6.2f} s {min(times):>6.2f} s {max(times):>6.2f} s")
    print(f"{'ratio':<24} {ratio:>8.2f}")
    print(f"{'memory, PyAV included':<24} {megabytes:>5.0f} MB")
    goals = {
        f"it takes under {MOST_SECONDS:.0f} s": median(ours) < MOST_SECONDS,
        f"it takes under {MOST_MEGABYTES:.0f} MB": megabytes < MOST_MEGABYTES,
        f"it takes at most {MOST_RATIO:.0f} times as long as ffmpeg": ratio <= MOST_RATIO,
    }
    if failed := [goal for goal, held in goals.items() if not held]:
        sys.exit(f"These bounds do not hold: {'; '.join(failed)}.")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        write_clips(Path(sys.argv[1]))
    else:
        main()
