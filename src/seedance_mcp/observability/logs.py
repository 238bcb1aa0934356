"""Log lines as text or as JSON: one line each, bounded, without secrets."""

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Literal, TextIO

from ._redaction import Redactor
from .call_context import current_call

NOTICES = "seedance_mcp.notices"
"""The logger of what a user must read: where the server is, and why it ends. Its level is fixed."""

_BLAMES_CLIENTS = ("opentelemetry.trace", "opentelemetry.baggage", "mcp.server.runner")
"""The loggers that warn of what a client sends, at each request again and of any length."""

MAX_MESSAGE = 4000
MAX_EXCEPTION = 16_000
"""The most characters of a message, and of a traceback, whose middle is left out."""


def configure_logging(
    stream: TextIO, *, level: str, form: Literal["text", "json"], secrets: Iterable[str]
) -> None:
    """Write every log line of this process to a stream, without the secrets.

    Args:
        stream: Not stdout, which may carry the protocol.
        level: The least level, such as "warning".
        form: How a line is written.
        secrets: What no line may show; the bearer tokens of callers are known without it.
    """
    logging.basicConfig(handlers=[log_handler(stream, form, secrets)], level=level.upper())
    logging.getLogger(NOTICES).setLevel(logging.INFO)
    # What Python itself would write to stderr as it likes.
    logging.captureWarnings(form == "json")


def log_handler(
    stream: TextIO, form: Literal["text", "json"], secrets: Iterable[str]
) -> logging.Handler:
    """Return what writes log lines as `configure_logging` does."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter((_JsonLines if form == "json" else _TextLines)(Redactor(secrets)))
    handler.addFilter(_is_worth_a_line)
    return handler


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Drop warnings of a client's faults, so that no client can fill the log."""
    return record.levelno != logging.WARNING or not record.name.startswith(_BLAMES_CLIENTS)


class _Lines(logging.Formatter):
    """What both forms share."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redact = redactor.redact

    def _message(self, record: logging.LogRecord) -> str:
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a wrong call of logging must not lose the line
            message = f"{record.msg} ({type(error).__name__} in its arguments)"
        # Before it is cut: half a secret would not be found.
        return _shortened(self._redact(message), MAX_MESSAGE)

    def _exception(self, record: logging.LogRecord) -> str:
        text = self.formatException(record.exc_info) if record.exc_info else record.exc_text
        stack = self.formatStack(record.stack_info) if record.stack_info else ""
        both = "\n".join(part for part in (text, stack) if part)
        return _shortened(self._redact(both), MAX_EXCEPTION)


class _JsonLines(_Lines):
    """One JSON object a line; what is empty is left out."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line."""
        call = current_call()
        time = datetime.fromtimestamp(record.created, UTC)
        fields = {
            "time": time.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
            "call_id": call.call_id,
            "request_id": call.request_id,
            "exception": self._exception(record),
        }
        return json.dumps({name: value for name, value in fields.items() if value})


class _TextLines(_Lines):
    """Lines for people; a notice is its message alone."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record as a line, which a traceback follows."""
        message = _printable(self._message(record))
        if record.name == NOTICES:
            return message
        call_id = current_call().call_id
        called = f" [{call_id}]" if call_id else ""
        line = f"{self.formatTime(record)} {record.levelname} {record.name}{called}: {message}"
        exception = _printable(self._exception(record), kept="\n\t")
        return f"{line}\n{exception}" if exception else line


def _printable(text: str, kept: str = "") -> str:
    """Return a text with escapes for what could begin a line or steer a terminal."""
    if text.isprintable():
        return text
    shown = (c if c.isprintable() or c in kept else ascii(c)[1:-1] for c in text)
    return "".join(shown)


def _shortened(text: str, limit: int) -> str:
    """Return a text without its middle if it is too long."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}… ({len(text) - 2 * half} characters left out) …{text[-half:]}"
