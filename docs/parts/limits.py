"""The table of limits over HTTP: the numbers are those of the program."""

from seedance_mcp.mcp_server.transports import _bodies as bodies
from seedance_mcp.mcp_server.transports import _calls as calls
from seedance_mcp.mcp_server.transports import _connections as connections
from seedance_mcp.mcp_server.transports._wide_texts import MOST_WIDE_BYTES
from seedance_mcp.settings import Settings

from .table import table


def limits() -> str:
    """Return the table of what a server over HTTP takes, and what it answers to more."""
    a_minute = Settings.model_fields["max_calls_per_minute_per_caller"].default
    return table(
        ["what", "of each caller", "in all", "beyond that"],
        ["calls a minute", _number(a_minute), "", "429 with `Retry-After`"],
        _both("calls under way", calls.MOST_CALLS_A_CALLER, calls.MOST_CALLS, "429 or 503"),
        _both("of these, calls that wait", calls.MOST_WAITS_A_CALLER, calls.MOST_WAITS, WHERE),
        _both("streams of changes", calls.MOST_STREAMS_A_CALLER, calls.MOST_STREAMS, "429 or 503"),
        ["the body of a request", _mib(bodies.MOST_BODY_BYTES), "", "413"],
        ["texts in it that are not ASCII", f"{MOST_WIDE_BYTES // 1024} KiB", "", "413"],
        ["values in it", f"{bodies.MOST_VALUES:,}", "", "413"],
        [
            "bodies that are held at once",
            _mib(bodies.MOST_HELD_BYTES_A_CALLER),
            _mib(bodies.MOST_HELD_BYTES),
            "503",
        ],
        [
            "how slowly a body may come",
            f"{bodies.BODY_SECONDS:.0f} s, then {SLOWEST_KIB} KiB a second",
            "",
            "408",
        ],
        ["the head of a request", f"16 KiB, {connections.HEAD_SECONDS:.0f} s", "", "431, 408"],
        ["connections", "", _number(connections.MOST_CONNECTIONS), "503"],
    )


SLOWEST_KIB = bodies.SLOWEST_BYTES_A_SECOND // 1024
WHERE = "answered at once, with where the job stands"


def _both(what: str, of_each: int, in_all: int, beyond: str) -> list[str]:
    return [what, _number(of_each), _number(in_all), beyond]


def _number(number: int) -> str:
    return f"{number:,}"


def _mib(number: int) -> str:
    return f"{number // bodies.MIB} MiB"
