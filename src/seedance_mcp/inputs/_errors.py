"""Why a file cannot be sent to a model, or cannot be checked.

Preflight turns each of these into a sentence about an argument. `Unverifiable` becomes a warning,
all others a refusal. A message is a clause that says why, such as "its host answered 404".
"""


class NotAnImage(Exception):
    """The bytes are not an image, or a damaged one; the message says what they are: "a PDF"."""


class UnsupportedImage(Exception):
    """The bytes are an image that cannot be measured here; the message is the type's name."""


class UnusableImage(Exception):
    """The argument does not lead to an image that can be sent."""


class MissingFile(UnusableImage):
    """No regular file that can be read is at the path."""


class BlockedAddress(Exception):
    """The URL is malformed, or leads to an address that must not be fetched (SSRF)."""


class Unverifiable(Exception):
    """The image may be good, but its host did not let it be checked."""


class RuleViolated(Exception):
    """The image breaks a rule; the message is RunComfy's own, followed by the measured value."""
