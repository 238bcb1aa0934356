"""A model that takes lists of files, in the form in which RunComfy publishes such models."""

from typing import Any

from seedance_mcp.models.model import Model, load_models

_LITE = load_models()["bytedance/seedance-1-0/lite/image-to-video"]
_RULES: list[dict[str, Any]] = _LITE.input_schema["properties"]["first_frame_image_url"][
    "validations"
]

LIST_MODEL = Model(
    model_id="someone/reference-to-video",
    short_name="reference",
    source="this test",
    read_on="2026-11-29",
    input_schema={
        "type": "object",
        "title": "Input",
        "required": ["prompt"],
        "properties": {
            "prompt": {"title": "Prompt", "description": "What happens.", "type": "string"},
            "images": {
                "title": "Images",
                "description": "Reference images.",
                "type": "array",
                "format": "image_uris",
                "items": {"type": "string", "validations": _RULES},
                "minItems": 1,
                "maxItems": 4,
            },
            "videos": {
                "title": "Videos",
                "description": "Reference videos.",
                "type": "array",
                "items": {"type": "string", "format": "video_uri"},
                "maxItems": 3,
            },
            "audio": {
                "title": "Audio",
                "description": "Background music.",
                "type": "string",
                "format": "audio_uri",
            },
            "resolution": _LITE.input_schema["properties"]["resolution"],
            "duration": _LITE.input_schema["properties"]["duration"],
        },
    },
    output_schema=_LITE.output_schema,
    descriptions={name: _LITE.descriptions[name] for name in ("resolution", "duration")},
    pricing=_LITE.pricing,
)
"""Takes 1 to 4 images with the lite model's rules, up to 3 videos, and an audio file."""
