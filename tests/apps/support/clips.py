"""A ledger's clips, as the gallery gets them in the chat and from the command."""

import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .app import Json
from .network import CLIP

PAGE = 24
NEWEST = datetime(2026, 11, 30, 12, tzinfo=UTC)
CENTS = 0.05
PROMPTS = (
    "A paper boat drifts along a rainy gutter at dusk, neon signs reflected in the water.",
    "A fox wakes in fresh snow.",
    "Clouds race over a desert highway; the camera rises until a lone diner comes into view.",
    "A watchmaker's hands, close up.",
)


@cache
def poster(image: str = "lake.jpg", width: int = 192) -> str:
    """Return a small JPEG in base64."""
    from PIL import Image

    source = files("seedance_mcp.simulator").joinpath("sample_images", image).read_bytes()
    made = BytesIO()
    with Image.open(BytesIO(source)) as opened:
        opened.resize((width, width * 9 // 16)).save(made, "JPEG", quality=60)
    return b64encode(made.getvalue()).decode()


def clip_job(number: int = 0, **changed: Any) -> Json:
    """Return a job whose clip is there; a higher number is older."""
    name = f"request-{number}"
    image = "lake.jpg" if number % 2 else "lake-dusk.jpg"
    job = {
        "id": name,
        "request_id": name,
        "status": "completed",
        "prompt": PROMPTS[number % len(PROMPTS)],
        "model": "seedance-1-0-lite",
        "created_at": (NEWEST - timedelta(hours=number)).isoformat(),
        "seconds": 5,
        "usd": CENTS,
        "estimated": False,
        "video_url": CLIP,
        "saved": False,
        "error": None,
        "poster": poster(image),
    }
    return job | changed


def open_job(number: int = 0, status: str = "in_queue", **changed: Any) -> Json:
    """Return a job that is not at its end."""
    return clip_job(number, status=status, video_url=None, estimated=True, **changed)


@dataclass
class Clips:
    """The clips of a ledger, the newest first; a test may change them."""

    jobs: list[Json]

    def page(self, number: int = 1, status: str = "", words: str = "") -> Json:
        """Return a page of those that fit."""
        wanted = words.lower().split()
        fitting = [
            job
            for job in self.jobs
            if status in {"", job["status"]}
            and all(word in str(job["prompt"]).lower() for word in wanted)
        ]
        spent: Json = {"usd": 1.25, "jobs": 3, "estimated": 1, "unknown": 1}
        return {
            "page": number,
            "pages": -(-len(fitting) // PAGE),
            "matching": len(fitting),
            "total": len(self.jobs),
            "today": spent,
            "month": spent | {"usd": 23.456, "jobs": 1, "estimated": 0, "unknown": 0},
            "jobs": fitting[(number - 1) * PAGE : number * PAGE],
        }

    def result(self, status: str = "") -> Json:
        """Return what `list_jobs` answers where the client declares apps."""
        return self.list_jobs({"status": status}) | {
            "_meta": {"seedance-mcp/gallery": self.page(status=status)}
        }

    def list_jobs(self, arguments: Json) -> Json:
        """Return what `list_jobs` answers elsewhere."""
        status = arguments.get("status") or ""
        fitting = [job for job in self.jobs if status in {"", job["status"]}]
        listed = [_listed(job) for job in fitting[: arguments.get("limit", 20)]]
        structure = {"jobs": listed, "total": len(fitting), "spent_24h_usd": 0.5}
        return {
            "content": [{"type": "text", "text": f"{len(listed)} jobs."}],
            "structuredContent": structure,
        }

    def read(self, uri: str) -> Json:
        """Return what `resources/read` answers."""
        parts = urlsplit(uri)
        assert (parts.scheme, parts.netloc) == ("seedance", "gallery")
        page = self.page(int(parts.path.removeprefix("/")), **_filter(parts.query))
        content = {"uri": uri, "mimeType": "application/json", "text": json.dumps(page)}
        return {"contents": [content]}

    def data(self, query: str) -> Json:
        """Return what the command answers to `data?…`."""
        return self.page(int(parse_qs(query)["page"][0]), **_filter(query))


def _filter(query: str) -> dict[str, str]:
    given = parse_qs(query)
    return {name: values[0] for name, values in given.items() if name != "page"}


def _listed(job: Json) -> Json:
    same = ["request_id", "status", "created_at", "video_url"]
    return {name: job[name] for name in same} | {
        "prompt": job["prompt"][:80],
        "model_id": "bytedance/seedance-1-0/lite/image-to-video",
        "saved_to": None,
        "cost_usd": job["usd"],
    }


def clips(count: int) -> Clips:
    """Return so many clips."""
    return Clips([clip_job(number) for number in range(count)])


def some_of_each() -> Sequence[Json]:
    """Return a job of every state."""
    failed = "The image shows a real person."
    return [
        open_job(0, "submitting", request_id=None),
        open_job(1, "in_queue"),
        open_job(2, "in_progress"),
        clip_job(3, estimated=True),
        clip_job(4, status="failed", video_url=None, error=failed, poster=None, usd=0),
        clip_job(5, status="cancelled", video_url=None, poster=None, usd=0),
        clip_job(6, status="unknown", video_url=None, poster=None, usd=None, request_id=None),
    ]
