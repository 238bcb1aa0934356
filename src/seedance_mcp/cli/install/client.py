"""What a client is to the installer: where it keeps its servers, and in which form."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .edits import Format, Item, Json, Keys
from .machine import Machine

NAME = "seedance"
"""What the server is called in every client; letters alone, which all of them allow."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """How the server is started.

    Attributes:
        command: The absolute path of a program.
        args: Its arguments.
        env: Its settings, by variable.
        authentication: Where the token is from. `file`: it is in `env`, since it must be in the
            configuration; `client`: the client takes it from where it keeps secrets, or from its
            own environment; `elsewhere`: the server finds it by itself, or has none yet.
    """

    command: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    authentication: Literal["file", "client", "elsewhere"] = "elsewhere"


@dataclass(frozen=True, kw_only=True)
class Extra:
    """What belongs to an entry but lies elsewhere in its file, such as the prompt for a token."""

    keys: tuple[str | Item, ...]
    value: Json


@dataclass(frozen=True, kw_only=True)
class OwnCommand:
    """The own command for adding and removing a server of a client that has one file.

    Attributes:
        program: Its name, looked for in the PATH.
        add: Returns the arguments that add an entry, None if it cannot add this one whole, or would
            harm the file; no secret is ever among them.
        remove: The arguments that remove it; none if only editing the file does.
        show: The arguments that show it; none if the file shows it.
    """

    program: str
    add: Callable[[Mapping[str, Json], Server], Sequence[str] | None]
    remove: Sequence[str] = ()
    show: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Client:
    """A client.

    Attributes:
        id: What the command line calls it.
        title: What its makers call it.
        form: The format of its file.
        keys: Where in its file the entry goes, by what the file has already (None: a new file).
        files: Returns the files that the entry goes into: every one of them, made where it is not
            there. More than one where a client may read another than the one it shows.
        found: Returns whether it is on this machine.
        entry: Returns the entry.
        refers: Whether it can refer to a token that is not in the file: `asks` if the client asks
            for it or keeps it in a keychain, `environment` if it takes it from its own
            environment, None if it cannot.
        next_step: What a user does next, in one sentence.
        settings: What its time limit means for the server, such as SEEDANCE_WAIT_SECONDS.
        extras: What else goes into its file.
        own: Its own command.
    """

    id: str
    title: str
    form: Format
    keys: Callable[[bytes | None], Keys]
    files: Callable[[Machine], Sequence[Path]]
    found: Callable[[Machine], bool]
    entry: Callable[[Server], Mapping[str, Json]]
    next_step: str
    refers: Literal["asks", "environment"] | None = None
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    extras: Callable[[Server], Sequence[Extra]] = lambda _: ()
    own: OwnCommand | None = None
