"""What axe-core finds wrong with a page."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Frame

AXE = Path(__file__).parents[3] / ".apps/node/node_modules/axe-core/axe.min.js"


def violations(frame: Frame) -> list[str]:
    """Return what is wrong with the page of a frame, one line for each rule."""
    frame.evaluate(AXE.read_text("utf-8"))
    found: dict[str, Any] = frame.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [_described(each) for each in found["violations"]]


def _described(violation: dict[str, Any]) -> str:
    nodes = "; ".join(str(node["html"]) for node in violation["nodes"])
    return f"{violation['id']}: {violation['help']}: {nodes}"
