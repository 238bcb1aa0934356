"""What the models say: they buy a clip, do what each answer says, and say where the file is."""

import json
import re
import sys
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from clients.stand_in.script import Asked, Call, reply

IMAGE, IDEA = sys.argv[1:3]

LOOP = "Again and again."
"""The idea for which a model makes the same call for ever."""

_SAVED_TO = re.compile(r'saved_to(?:\\?": \\?"|: )([^;"\\\n]+)')


def next_turn(tools: Sequence[str], handed: Sequence[Any]) -> Call | str:
    """Return what a model says next.

    Args:
        tools: The names of the tools that it may call.
        handed: What it was handed since its last turn, as JSON; nothing before its first call.
    """
    clip = {"prompt": IDEA, "first_frame_image_url": IMAGE}
    if IDEA == LOOP:
        return Call(id=uuid4().hex, tool="generate_video", arguments=clip | {"wait_seconds": 0})
    said = reply(Asked(tools=tools, handed=handed), clip, uuid4().hex)
    if isinstance(said, Call):
        return said
    path = _SAVED_TO.search(json.dumps(handed, ensure_ascii=False))
    return path[1] if path else said
