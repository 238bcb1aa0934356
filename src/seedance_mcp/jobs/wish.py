"""What a call asks for, and when two calls ask for the same clip. Pure, as all of this folder."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from seedance_mcp.text import plain_spelling

from .uris import is_own_uri


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A clip that a call asks for.

    Attributes:
        model_id: The model, None for a job that was started elsewhere.
        arguments: The model's arguments with defaults; empty for a job that was started elsewhere.
        files: By its place in the arguments, each local image's absolute path, "" for data, and the
            SHA-256 of its bytes as they were read; "" where no file could be read then. Of a frame
            of a clip, "" and its URI: what counts is the job that is continued, not the bytes.
        owner: Who may see it: the origin of RunComfy that it was begun at.
    """

    model_id: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    files: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    owner: str = ""

    @property
    def digest(self) -> dict[str, Any]:
        """The arguments as the ledger stores them: every data: URI is replaced by its hash."""
        return {name: _digest(value) for name, value in self.arguments.items()}

    @property
    def shown_arguments(self) -> dict[str, Any]:
        """The arguments as people read them: a clip's frame by its URI, which is what was asked."""
        frames = {
            place: content for place, (_, content) in self.files.items() if is_own_uri(content)
        }
        return _with_values(self.digest, frames)

    @property
    def fingerprint(self) -> str:
        """A hash that is equal for the same owner, model and arguments with defaults.

        A local image counts as it was read, wherever it is and however it was sent.
        """
        contents = {
            place: f"sha256:{content or path}" for place, (path, content) in self.files.items()
        }
        return fingerprint(self.owner, self.model_id, _with_values(self.digest, contents))

    @property
    def fingerprint_as_sent(self) -> str:
        """The fingerprint that versions before `files` stored."""
        return fingerprint(self.owner, self.model_id, self.digest)

    def is_repeated_by(self, new: "Wish") -> bool:
        """Return whether a call where local images cannot be read asks for the same clip.

        Those count by their paths, whose spelling may differ as where a file is looked for; the
        others must be the same.
        """
        blank = dict.fromkeys(new.files, "")
        return (
            self.files.keys() == new.files.keys()
            and self.model_id == new.model_id
            and _with_values(self.digest, blank) == _with_values(new.digest, blank)
            and all(
                content == self.files[place][1]
                if content
                else plain_spelling(path) == plain_spelling(self.files[place][0])
                for place, (path, content) in new.files.items()
            )
        )

    def is_echoed(self, model_id: str | None, echo: Mapping[str, Any]) -> bool:
        """Return whether a result's model, None if it names none, and input can be of this."""
        theirs, ours = _given(echo), _given(self.arguments)
        return (
            model_id in {None, self.model_id}
            and theirs.keys() == ours.keys()
            and all(_is_same(ours[name], theirs[name]) for name in ours)
        )


def fingerprint(owner: str, model_id: str | None, digest: Mapping[str, Any]) -> str:
    """Return a hash that is equal for the same owner, model and digest of the arguments."""
    identity = json.dumps([owner, model_id, digest], sort_keys=True)
    return hashlib.sha256(identity.encode()).hexdigest()


# The content of a file inside the arguments is always a data: URI, perhaps of megabytes. Looking
# for the URI and not for the argument holds for every model, and for lists.
_DATA_URI = re.compile(r"data:(image/|[^,\s]{0,200};base64,)", re.IGNORECASE)
_MAX_STORED_CHARACTERS = 10_000


def _digest(value: Any) -> Any:
    """Return an argument as it is stored; a stored one stays the same."""
    match value:
        case str() if len(value) > _MAX_STORED_CHARACTERS or _DATA_URI.match(value):
            # These bytes are part of every fingerprint on disk: changing them would hide jobs
            # that were paid for from a repeated call.
            kind = value[:40].partition(",")[0]
            content = value.encode(errors="surrogatepass")
            return f"sha256:{hashlib.sha256(content).hexdigest()} of {kind}"
        case list():
            return [_digest(item) for item in cast("list[Any]", value)]
        case dict():
            return {key: _digest(item) for key, item in cast("dict[str, Any]", value).items()}
        case _:
            return value


def _with_values(arguments: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    """Return arguments with the values at some places replaced, such as `images[1]`."""

    def replaced(place: str, value: Any) -> Any:
        if isinstance(value, list):
            items = enumerate(cast("list[Any]", value))
            return [replaced(f"{place}[{number}]", item) for number, item in items]
        return values.get(place, value)

    return {name: replaced(name, value) for name, value in arguments.items()}


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value not in (None, "")}


def _is_same(stored: Any, echoed: Any) -> bool:
    match stored, echoed:
        case list(), list():
            ours, theirs = cast("list[Any]", stored), cast("list[Any]", echoed)
            return len(ours) == len(theirs) and all(map(_is_same, ours, theirs))
        case str(), str():
            # RunComfy stores what was sent as data, and may repeat its own URL of it (client).
            data = stored.startswith("sha256:") and " of data:" in stored
            return _digest(echoed) == stored or (data and echoed.startswith("https://"))
        case _:
            # True equals 1 in Python.
            return type(stored) is type(echoed) and stored == echoed
