"""Why a file cannot be sent to a model, or cannot be checked.

Preflight turns each of these into a sentence about an argument. `Unverifiable` becomes a warning,
all others a refusal.
"""


class NotAnImage(Exception):
    """The bytes are not an image, or a damaged one.

    The message says what they are, to follow "it is": "an HTML page", "a damaged PNG".
    """


class UnsupportedImage(Exception):
    """The bytes are an image of a type that this package cannot measure.

    The message is the name of the type.
    """


class UnusableImage(Exception):
    """The argument does not lead to an image that can be sent.

    The message is a clause that says why: "its host answered 404".
    """


class BlockedAddress(Exception):
    """The URL is malformed, or leads to an address that must not be fetched (SSRF).

    The message is a clause that says why: "its address is not public".
    """


class Unverifiable(Exception):
    """The image may be good, but its host did not let it be checked.

    The message is a clause that says why: "its host is too slow".
    """


class RuleViolated(Exception):
    """The image breaks one of the model's rules.

    The message is RunComfy's own, followed by the measured value.
    """
