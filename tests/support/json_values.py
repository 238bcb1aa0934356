"""JSON values of every kind, for the code that reads answers from the network."""

from typing import Any

from hypothesis import strategies as st

HUGE = (10**4299, -(10**400), 2**63, 1e308, float("inf"), float("nan"), 0, -1, 400004, "400002")
"""Numbers that Python's JSON reader accepts, and that careless code fails on."""

TEXTS = st.text(st.characters(), max_size=12) | st.sampled_from(
    [
        "x" * 1000,
        "line\nline\r\n\u2028line" * 50,
        "\ud800",
        "\x00",
        "completed",
        "FAILED",
        "cancelled",
        "in_queue",
        "https://outputs.example/clip.mp4",
        "https://[",
        "2026-01-02T03:04:05Z",
        "0001-01-01T00:00:00+23:59",
        "9" * 400,
        "r-1",
    ]
)

KEYS = st.sampled_from(
    [
        "request_id",
        "status",
        "queue_position",
        "input",
        "output",
        "outputs",
        "result",
        "url",
        "model_id",
        "video",
        "videos",
        "image",
        "images",
        "cost",
        "created_at",
        "finished_at",
        "outcome",
        "error",
        "error_code",
        "error_message",
        "message",
        "detail",
        "loc",
        "field",
        "msg",
    ]
)


def json_values() -> st.SearchStrategy[Any]:
    """Return a strategy for any JSON value, mostly objects with RunComfy's keys."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
    scalars |= st.sampled_from(HUGE)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
        max_leaves=12,
    )


def json_objects() -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for any JSON object with RunComfy's keys."""
    return st.dictionaries(KEYS, json_values(), max_size=6)
