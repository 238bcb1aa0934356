"""Checking the images of a job and rendering its clip.

Pillow and PyAV are imported only when there is an image, since a serving installation may lack
them.
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

# page: the last frame "will not take effect when the resolution is set to 1080P"
NO_LAST_FRAME_HEIGHT = 1080
_HEIGHTS = {"4k": 2160}


def require_libraries(find: Callable[[str], object] = find_spec) -> None:
    """Check that Pillow and PyAV are installed, without importing them.

    Raises:
        ConfigurationError: One is missing.
    """
    if not all(find(module) for module in ("av", "PIL")):
        raise ConfigurationError(
            "The simulator renders clips with PyAV and Pillow, which are not installed: "
            "pip install 'seedance-mcp[video]'"
        )


@dataclass(kw_only=True)
class Renderer:
    """Checks images and renders clips into `folder`, each once, with `render` or `_clip.render`."""

    behaviour: Behaviour
    folder: Path
    tasks: TaskGroup
    render: Callable[..., None] | None = None

    async def check_images(
        self, model: Model, arguments: JSONObject
    ) -> tuple[list[bytes], dict[str, str]]:
        """Fetch and check the files in the arguments.

        Returns:
            The valid images in the model's order, and the errors of invalid files by path.
        """
        from . import _image_checks

        good: list[bytes] = []
        errors: dict[str, str] = {}
        for file in model.files(arguments):
            try:
                image = await _image_checks.load(
                    file,
                    data_uris=self.behaviour.data_uris,
                    media=self.behaviour.media == "fetched",
                )
            except _image_checks.InvalidImage as error:
                errors[file.path] = str(error)
            else:
                good += [image] if image is not None else []
        return good, errors

    async def load_images(self, job: Job) -> list[bytes]:
        """Return a job's images, the first frame first; an invalid one fails the job."""
        async with job.images_lock:
            if job.images is None:
                job.images, errors = [], dict[str, str]()
                if self.behaviour.images != "never":
                    job.images, errors = await self.check_images(job.model, job.arguments)
                job.failure = job.failure or next(iter(errors.values()), None)
            return job.images or [_stand_in()]

    def start(self, job: Job) -> None:
        """Start rendering a job's clip, once."""
        if not job.rendering:
            job.rendering = True
            self.tasks.start_soon(self._render, job)

    async def clip(self, job: Job) -> Path:
        """Return the file of a job's clip, rendered first if necessary."""
        self.start(job)
        await job.rendered.wait()
        return self._file(job)

    async def still(self, job: Job) -> bytes:
        """Return a job's first image as a JPEG."""
        from . import _clip

        first, *_ = await self.load_images(job)
        return await anyio.to_thread.run_sync(_clip.still, first)

    async def _render(self, job: Job) -> None:
        from . import _clip

        first, *others = await self.load_images(job)
        height = _height(job)
        last = others[0] if others and height != NO_LAST_FRAME_HEIGHT else None

        def render() -> None:
            (self.render or _clip.render)(
                self._file(job),
                first,
                last,
                height=height,
                aspect=_aspect(job),
                seconds=int(job.argument("duration", 5)),
                each_frame=anyio.from_thread.check_cancelled,
            )

        await anyio.to_thread.run_sync(render)
        job.rendered.set()

    def _file(self, job: Job) -> Path:
        return self.folder / f"{job.request_id}.mp4"


def _stand_in() -> bytes:
    """Return the bundled image, for jobs whose own is not fetched and models without images."""
    return (resources.files("seedance_mcp.simulator") / "sample_images" / "lake.jpg").read_bytes()


def _height(job: Job) -> int:
    """Return the height in pixels of a resolution such as "720p", which may end the model's id."""
    resolution = str(job.argument("resolution", job.model_id.rpartition("/")[2]))
    digits = re.match(r"(\d+)p$", resolution)
    return _HEIGHTS.get(resolution, int(digits[1]) if digits else 480)


def _aspect(job: Job) -> float | None:
    """Return the width/height of an aspect ratio such as "16:9", None for that of the image."""
    ratio = re.fullmatch(r"(\d+):(\d+)", str(job.argument("aspect_ratio", "adaptive")))
    return int(ratio[1]) / int(ratio[2]) if ratio else None
