"""What a driver is asked to do."""

import json
import sys
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Task:
    """The task of a driver, its only argument as JSON.

    Attributes:
        command: The command of the server, which has no arguments.
        env: The environment of the server.
        model_url: The base URL of the model.
        prompt: What the user asks.
    """

    command: str
    env: dict[str, str]
    model_url: str
    prompt: str


def read_task() -> Task:
    """Return the task of this process."""
    return Task(**json.loads(sys.argv[1]))
