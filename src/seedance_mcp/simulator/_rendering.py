"""Where the images of a job are looked at and its clip is drawn.

Pillow and PyAV are imported here, and not before there is an image to look at: who only serves
has neither.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import anyio.from_thread
import anyio.to_thread
from anyio.abc import TaskGroup

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.models.model import Model

from ._responses import JSONObject
from .behaviour import Behaviour
from .jobs import Job

NO_LAST_FRAME = 1080  # page: "will not take effect when the resolution is set to 1080P"


def require_drawing(find: Callable[[str], object] = find_spec) -> None:
    """Make sure that Pillow and PyAV are installed, without importing them.

    Raises:
        ConfigurationError: One is missing.
    """
    if not all(find(module) for module in ("av", "PIL")):
        raise ConfigurationError(
            "The simulator draws its clips with PyAV and Pillow, and they are not installed: "
            "pip install 'seedance-mcp[video]'"
        )


@dataclass(kw_only=True)
class Studio:
    """Looks at images and draws clips, each once.

    Attributes:
        behaviour: The switches.
        folder: Where the clips are kept.
        tasks: Where clips are drawn; cancelling it ends the drawing.
    """

    behaviour: Behaviour
    folder: Path
    tasks: TaskGroup

    async def examine(
        self, model: Model, arguments: JSONObject
    ) -> tuple[list[bytes], dict[str, str]]:
        """Fetch the images that inputs name and judge them.

        Returns:
            The good ones in the order of the model's image arguments, and what is wrong with
            each of the others, by argument.
        """
        from . import _images

        good: list[bytes] = []
        refusals: dict[str, str] = {}
        for name, rules in model.image_rules.items():
            if name not in arguments:
                continue
            try:
                data_uris = self.behaviour.data_uris
                image = await _images.fetch(arguments[name], data_uris=data_uris)
                await _images.judge(image, rules)
            except _images.ImageRefused as refused:
                refusals[name] = str(refused)
            else:
                good.append(image)
        return good, refusals

    async def look(self, job: Job) -> list[bytes]:
        """Get a job's images; a bad one becomes the job's failure.

        Returns:
            The images, the one that the clip begins with first.
        """
        async with job.looking:
            if job.images is None:
                job.images, refusals = [], dict[str, str]()
                if self.behaviour.images != "never":
                    job.images, refusals = await self.examine(job.model, job.arguments)
                job.failure = job.failure or next(iter(refusals.values()), None)
            return job.images or [_stand_in()]

    def begin(self, job: Job) -> None:
        """Start drawing a job's clip, unless that has been done."""
        if not job.drawing:
            job.drawing = True
            self.tasks.start_soon(self._draw, job)

    async def clip(self, job: Job) -> Path:
        """Give the file of a job's clip, drawn first where need be."""
        self.begin(job)
        await job.drawn.wait()
        return self._file(job)

    async def still(self, job: Job) -> bytes:
        """Give a job's first image as a JPEG."""
        from . import _clip

        first, *_ = await self.look(job)
        return await anyio.to_thread.run_sync(_clip.still, first)

    async def _draw(self, job: Job) -> None:
        from . import _clip

        first, *others = await self.look(job)
        height = _height(job)
        last = others[0] if others and height != NO_LAST_FRAME else None

        def draw() -> None:
            _clip.render(
                self._file(job),
                first,
                last,
                height=height,
                seconds=int(job.argument("duration", 5)),
                each_frame=anyio.from_thread.check_cancelled,
            )

        await anyio.to_thread.run_sync(draw)
        job.drawn.set()

    def _file(self, job: Job) -> Path:
        return self.folder / f"{job.request_id}.mp4"


def _stand_in() -> bytes:
    """Read the bundled image, for jobs whose own is not looked at and models that take none."""
    return (resources.files("seedance_mcp.simulator") / "sample_images" / "lake.jpg").read_bytes()


def _height(job: Job) -> int:
    """Read the height out of a resolution such as "720p"."""
    digits = re.match(r"\d+", str(job.argument("resolution", "480p")))
    return int(digits[0]) if digits else 480
