"""The file compose.yaml as an engine would read it, with the variables of its `.env`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

COMPOSE = Path(__file__).parents[2] / "compose.yaml"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?:(?P<rule>:[-?])(?P<rest>[^}]*))?\}")


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service: what it runs, and with which variables.

    Attributes:
        command: The arguments of the image's entrypoint; none for what the image has.
        environment: Its variables, without those that have no value.
        given: Everything that the file says of it.
    """

    command: list[str]
    environment: dict[str, str]
    given: dict[str, Any]


def services(variables: Mapping[str, str]) -> dict[str, Service]:
    """Return the services, by name."""
    yaml: Any = YAML(typ="safe")
    document = yaml.load(COMPOSE.read_text("utf-8"))
    return {name: _service(given, variables) for name, given in document["services"].items()}


def _service(given: dict[str, Any], variables: Mapping[str, str]) -> Service:
    environment: dict[str, str] = {}
    for name, value in given.get("environment", {}).items():
        if value is not None:
            environment[name] = interpolated(str(value), variables)
        elif name in variables:
            environment[name] = variables[name]
    command = [interpolated(word, variables) for word in given.get("command", [])]
    return Service(command=command, environment=environment, given=given)


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Return a text with its variables replaced."""

    def value(found: "re.Match[str]") -> str:
        if given := variables.get(found["name"]):
            return given
        assert found["rule"] == ":-", f"{found['name']} is required: {found['rest']}"
        return found["rest"]

    return _VARIABLE.sub(value, text)
