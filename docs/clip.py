"""Make the animation at the top of the README: `make docs/clip.webp`.

It shows a clip of `seedance-mcp demo`, so it is what a newcomer gets.
"""

# PyAV's stubs leave types out.
# pyright: reportUnknownMemberType=false
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import cast

import av
from PIL import Image

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "src" / "seedance_mcp" / "simulator" / "sample_images"
SIZE = (480, 270)
"""Width and height in pixels."""
STEP = 3
"""Every third frame is kept: 8 of 24 a second."""
QUALITY = 60
"""WebP quality, 0 to 100; the highest that stays well below 300 KB."""
LAST_FRAME_MS = 1500
"""How long the last frame stays before the animation repeats."""


def demo_clip(folder: Path) -> Path:
    """Run the demo with both sample images, and return the first MP4 that it leaves."""
    command = [sys.executable, "-m", "seedance_mcp", "demo"]
    command += ["--image", str(IMAGES / "lake.jpg"), "--last-image", str(IMAGES / "lake-dusk.jpg")]
    subprocess.run(command, cwd=folder, check=True)
    return min(folder.glob("*.mp4"), key=lambda clip: clip.stat().st_mtime_ns)


def frames(clip: Path) -> tuple[list[Image.Image], int]:
    """Return every third frame, scaled, and the milliseconds from one to the next."""
    images: list[Image.Image] = []
    with av.open(str(clip)) as container:
        (video,) = container.streams.video
        rate = float(video.average_rate or 24)
        for number, frame in enumerate(container.decode(video)):
            if number % STEP == 0:
                image = cast("Image.Image", frame.to_image())
                images.append(image.resize(SIZE, Image.Resampling.LANCZOS))
    return images, round(1000 * STEP / rate)


def main(path: Path) -> None:
    """Write the animation as WebP."""
    with tempfile.TemporaryDirectory() as folder:
        (first, *others), pause_ms = frames(demo_clip(Path(folder)))
    first.save(
        path,
        save_all=True,
        append_images=others,
        duration=[pause_ms] * len(others) + [LAST_FRAME_MS],
        loop=0,  # for ever
        quality=QUALITY,
        method=6,  # the smallest file
        kmax=1,  # whole frames: differences between frames would show as blocks
    )
    print(f"{path}: {1 + len(others)} frames, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
