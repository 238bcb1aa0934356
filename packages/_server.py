"""The tools and prompts of the server with its default model."""

from collections.abc import Sequence

import mcp_types as types

from seedance_mcp.mcp_server._prompts import Prompts
from seedance_mcp.mcp_server.app import build_tools
from seedance_mcp.models.choice import choose_models
from seedance_mcp.models.model import Model, load_models

from ._options import OPTIONS

_DEFAULTS = {option.name: option.default for option in OPTIONS}


def _model() -> Model:
    (model,) = choose_models(str(_DEFAULTS["model"]), load_models())
    return model


def tools() -> Sequence[types.Tool]:
    """Return the tools, as the server lists them."""
    wait_seconds = _DEFAULTS["wait_seconds"]
    made = build_tools([_model()], wait_seconds=int(wait_seconds or 0), local_files=True)
    return [tool.definition for tool in made]


def prompts() -> Sequence[types.Prompt]:
    """Return the prompts, as the server lists them."""
    return Prompts({tools()[0].name: _model()}).offered
