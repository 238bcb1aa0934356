"""The progress of a download or a join: a bar on a terminal, plain lines elsewhere."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from seedance_mcp.service.reports import Counted

BAR_COLUMNS = 30

LINE_SECONDS = 5.0
"""How often a line is written where there is no terminal."""


class ProgressBar:
    """Writes the progress of a download or a join; `now` returns the time in seconds."""

    def __init__(self, out: TextIO, now: Callable[[], float]) -> None:
        self._out = out
        self._now = now
        self._live = out.isatty()
        self._next_line = 0.0
        self._shown: str = ""

    async def __call__(self, progress: "Counted") -> None:
        """Write how far it is, if that is new and, without a terminal, due."""
        text = self._bar(progress) if self._live else str(progress)
        due = self._live or progress.size == progress.total or self._now() >= self._next_line
        if text != self._shown and due:
            self._shown, self._next_line = text, self._now() + LINE_SECONDS
            # "\x1b[2K" clears the line.
            self._write(f"\r\x1b[2K{text}" if self._live else f"{text}\n")

    def close(self) -> None:
        """End the line of the bar."""
        if self._live and self._shown:
            self._write("\n")

    def _write(self, text: str) -> None:
        # The clip is worth more than what is said about it.
        with suppress(OSError):
            self._out.write(text)
            self._out.flush()

    def _bar(self, progress: "Counted") -> str:
        text = str(progress)
        if progress.total:
            part = min(1.0, progress.size / progress.total)
            done = round(part * BAR_COLUMNS)
            text = f"[{'#' * done}{'-' * (BAR_COLUMNS - done)}] {part:4.0%}  {text}"
        # A full line would make the terminal begin another one.
        return text[: shutil.get_terminal_size().columns - 1]
