"""Why a file cannot be sent to a model, or cannot be checked.

Preflight turns each of these into a sentence about an argument. `Unverifiable` becomes a warning,
all others a refusal. A message is a clause that says why, such as "its host answered 404".
"""


class NotAnImage(Exception):
    """The bytes are not an image, or a damaged one; the message says what they are: "a PDF"."""


class NotMedia(Exception):
    """The bytes are not a video, or not an audio file; the message says what they are."""


class UnsupportedImage(Exception):
    """The bytes are an image that cannot be measured here; the message is the type's name."""


class UnusableFile(Exception):
    """The argument does not lead to a file that can be sent."""


class MissingFile(UnusableFile):
    """No regular file that can be read is at the path."""


class BlockedAddress(Exception):
    """The URL is malformed, or leads to an address that must not be fetched (SSRF)."""


class Unverifiable(Exception):
    """The file may be good, but it could not be checked."""


class RuleViolated(Exception):
    """The file breaks a rule; the message is RunComfy's own, followed by the measured value."""
