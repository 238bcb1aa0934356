"""Why a file is not what the model can take."""


class NotAnImage(Exception):
    """These bytes are no image; the message says what they are, to go after "it is"."""


class UnusableImage(Exception):
    """An argument is refused for what it was found to be; the message ends a sentence."""


class UnsupportedImage(Exception):
    """This is an image of a type that is not measured here; the message names the type."""


class BlockedAddress(Exception):
    """A URL leads where nothing may be fetched; the message ends a sentence that says so."""


class Unverifiable(Exception):
    """What a URL leads to cannot be told; the message says why, after the argument's name."""


class RuleViolated(Exception):
    """An image breaks a rule; the message is the service's own, and the measured value."""
