"""Log lines: one each, bounded, as text or JSON, naming the call and the job, without a secret."""

import io
import json
import logging
from datetime import datetime
from typing import Any

import pytest

from seedance_mcp.observability.call_context import about_job, in_call
from seedance_mcp.observability.logs import MAX_EXCEPTION, MAX_MESSAGE, NOTICES, log_handler

TOKEN = "rc-token-5f2c9e7d1b8a4c63"
DATABASE = "postgresql://owner:p%40ss-word@db.example/clips"


class Broken(ValueError):
    """An exception with a text."""


class Log:
    """A logger outside of the tree of loggers, and what it has written."""

    def __init__(self, form: Any, *secrets: str, name: str = "a.logger") -> None:
        self._stream = io.StringIO()
        self._name = name
        self._handler = log_handler(self._stream, form, secrets)

    def write(self, message: str, *args: object, error: Exception | None = None) -> None:
        """Write a warning."""
        info = error and (type(error), error, None)
        self._handler.handle(
            logging.LogRecord(self._name, logging.WARNING, __file__, 1, message, args, info)
        )

    @property
    def text(self) -> str:
        """What was written."""
        return self._stream.getvalue()


def test_a_json_line_names_the_call_and_the_job() -> None:
    log = Log("json")
    with in_call("c1"), about_job("r-1"):
        log.write("It is %s.", "late")
    line = json.loads(log.text)
    time = datetime.fromisoformat(line.pop("time"))
    assert (time.tzinfo is not None, line) == (
        True,
        {
            "level": "warning",
            "logger": "a.logger",
            "message": "It is late.",
            "call_id": "c1",
            "request_id": "r-1",
        },
    )


def test_a_text_line_names_the_call() -> None:
    log = Log("text")
    with in_call("c1"):
        log.write("It is %s.", "late")
    log.write("It is over.")
    first, second = log.text.splitlines()
    assert first.endswith(" WARNING a.logger [c1]: It is late.")
    assert second.endswith(" WARNING a.logger: It is over.")


def test_a_notice_is_its_text_alone_for_people_and_json_for_programs() -> None:
    text, as_json = Log("text", name=NOTICES), Log("json", name=NOTICES)
    for log in (text, as_json):
        log.write("Serving on %s", "http://127.0.0.1:8000/mcp")
    assert text.text == "Serving on http://127.0.0.1:8000/mcp\n"
    assert json.loads(as_json.text)["message"] == "Serving on http://127.0.0.1:8000/mcp"


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize(
    "said",
    [
        f"the token {TOKEN}",
        f"connecting to {DATABASE} failed",
        "no password matches p%40ss-word",
        "no password matches p@ss-word",
        "host=db.example password='p@ss-word' dbname=clips",
        "connecting to postgresql://else:wh@t-ever@db.example/x failed",
        f"of the caller: {TOKEN[::-1]}",
        "b'Authorization', b'Bearer abcdef.GHI-jkl_mno~123'",
        "the caller brought sdmcp_AbC-123_xyz",
        "the assertion eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl",
    ],
)
def test_no_line_shows_a_secret(form: str, said: str) -> None:
    log = Log(form, TOKEN, DATABASE)
    with in_call("c1", (TOKEN[::-1],)):
        log.write("It broke: %s", said, error=Broken(said))
    written = log.text
    secrets = [TOKEN, TOKEN[::-1], "p%40ss", "p@ss", "wh@t", "abcdef", "eyJ", "AbC-123"]
    assert [secret for secret in secrets if secret in written] == []
    # Once in the message, once in the exception.
    assert written.count("[secret]") == 2


def test_words_about_tokens_are_not_hidden() -> None:
    log = Log("text", TOKEN)
    log.write("Send it after the word Bearer. A bearer may be any. GET /mcp?password 401")
    assert "[secret]" not in log.text


def test_what_comes_from_outside_begins_no_line_and_steers_no_terminal() -> None:
    log = Log("text")
    log.write("It says %s", "a\n2026-01-01 CRITICAL root: gone\x1b[2J\u2028")
    (line,) = log.text.splitlines()
    assert line.endswith("It says a\\n2026-01-01 CRITICAL root: gone\\x1b[2J\\u2028")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_is_bounded_and_a_secret_is_not_cut_in_half(form: str) -> None:
    log = Log(form, TOKEN)
    long = "x" * (MAX_MESSAGE // 2 - 4) + TOKEN + "y" * 1_000_000
    log.write("%s", long, error=Broken(long))
    written = log.text
    assert len(written) < MAX_MESSAGE + MAX_EXCEPTION + 1000
    assert TOKEN[:4] not in written


def test_a_line_whose_arguments_are_wrong_is_written_all_the_same() -> None:
    log = Log("text")
    log.write("%d jobs", "no")
    assert log.text.endswith(": %d jobs (TypeError in its arguments)\n")
