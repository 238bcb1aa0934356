"""What the player is told, and what it shows then."""

import re
from base64 import b64encode
from importlib.resources import files
from io import BytesIO
from typing import Any, cast

from PIL import Image
from playwright.sync_api import Locator, expect

from seedance_mcp.mcp_server.apps.pages import STORAGE_ORIGIN, AppPage, read_page

from .app import Answer, App, Json

REQUEST_ID = "5f2b0c7e-1d5e-4c55-9c0e-0c6f5a1b2d3e"
ARGUMENTS = {
    "prompt": "A lake at dawn; mist drifts over the water.",
    "first_frame_image_url": "https://images.test/lake.jpg",
    "resolution": "720p",
    "duration": 5,
}
PROMPT = ARGUMENTS["prompt"]
MODEL = "seedance-1-0 lite image-to-video"
FACTS = f"5 s · 720p · {MODEL}"
ASKED = {"request_id": REQUEST_ID, "wait_seconds": 0}


def player() -> AppPage:
    """Return the page, which may load clips from the storage."""
    return read_page("player", (STORAGE_ORIGIN,))


def job(status: str, *, meta: Json | None = None, is_error: bool = False, **facts: Any) -> Json:
    """Return the result of `generate_video` or `check_status` about a job in some state."""
    structure = {
        "request_id": REQUEST_ID,
        "model_id": "bytedance/seedance-1-0/lite/image-to-video",
        "status": status,
        "queue_position": None,
        "elapsed_seconds": 3.2,
        "video_url": None,
        "error": None,
        "reused": False,
        "warnings": [],
        "estimated_cost_usd": 0.175,
        "next_step": "Do something.",
    }
    structure |= facts
    short = {name: value for name, value in structure.items() if value not in (None, [])}
    text = "; ".join(f"{name}: {value}" for name, value in short.items())
    return {
        "content": [{"type": "text", "text": text}],
        "structuredContent": structure,
        "isError": is_error,
        "_meta": {"seedance-mcp/job": {"usual_seconds": 60, "poll_seconds": 2} | (meta or {})},
    }


def queued_until_cancel(answer: Json, then: Json) -> dict[str, Answer]:
    """Return tools for which a job is queued until `cancel_job` was called, however late."""
    asked: list[Json] = []

    def cancel(given: Json) -> Json:
        asked.append(given)
        return answer

    queued = job("in_queue", queue_position=2)
    return {"cancel_job": cancel, "check_status": lambda _: then if asked else queued}


def outcome(*videos: str, cost: float | None = 0.18) -> Json:
    """Return the result of `get_result`."""
    structure = {"request_id": REQUEST_ID, "videos": videos, "images": [], "cost_usd": cost}
    return {"content": [], "structuredContent": structure}


def error(line: str) -> Json:
    """Return the result of a tool that has an error of its own."""
    return {"content": [{"type": "text", "text": line}], "isError": True}


def first_frame(width: int = 320, height: int = 180) -> str:
    """Return a small JPEG of a lake as base64."""
    sample = files("seedance_mcp.simulator").joinpath("sample_images", "lake.jpg").read_bytes()
    file = BytesIO()
    with Image.open(BytesIO(sample)) as image:
        image.resize((width, height)).save(file, "JPEG", quality=70)
    return b64encode(file.getvalue()).decode()


def expect_texts(app: App, *texts: str) -> None:
    """Wait until these are the texts of the page, but for the time."""
    shown = app.frame.locator("main :is(h1, p, button):visible")
    expect(shown).to_have_text(list(texts))


def expect_visible(locator: Locator, *, visible: bool = True) -> None:
    """Wait until something is visible, or is not."""
    expect(locator).to_be_visible(visible=visible)


def progress(app: App) -> tuple[str, str | None]:
    """Return the label of the progress, and its value at the same moment."""
    bar = app.frame.get_by_role("progressbar", name=re.compile(r"^\d+:\d\d"))
    read = "bar => [bar.labels[0].innerText, bar.getAttribute('value')]"
    label, value = bar.evaluate(read)
    return label, value


def play(app: App, *, seconds: float = 0.2) -> Json:
    """Wait until the clip has played for so long, and return how it plays."""
    return cast(
        "Json",
        app.frame.evaluate(
            """async (seconds) => {
              const clip = document.querySelector("video");
              const later = (done) => clip.addEventListener("timeupdate", done, { once: true });
              while (!(clip.currentTime >= seconds)) await new Promise(later);
              const { src, muted, loop, playsInline, controls, preload, paused } = clip;
              return { src, muted, loop, playsInline, controls, preload, paused };
            }""",
            seconds,
        ),
    )
