"""Which version of the tables a process works with, as the beginning of its name says."""


def version_of(process: str) -> int:
    """Return how many migrations a process knows; 0 for those of the first versions."""
    version, dash, _ = process.partition("-")
    return int(version) if dash and version.isdecimal() else 0
