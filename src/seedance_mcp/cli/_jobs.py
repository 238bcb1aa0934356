"""`seedance-mcp jobs`: what was bought, what it cost and where it is, from the ledger."""

import json
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any, cast

import anyio

from seedance_mcp.clock import Clock
from seedance_mcp.service.history import History, read_history, read_job
from seedance_mcp.service.records import JobRecord, Spent
from seedance_mcp.settings import load_settings

from ._output import print_lines
from ._progress_bar import ProgressBar
from ._table import fit_end, plain, table

SHORTEST_ID = 8
"""How many characters of an id are shown, as in the names of files; more where two begin alike."""

HEAD = ("ID", "WHEN", "STATUS", "MODEL", "PROMPT", "SEC", "USD")
PROMPT, SEC, USD = 4, 5, 6
FILE = "  -> "

WIDE = 80
"""How many columns a terminal must have for times to have their year."""

MOST_CHARACTERS = 10_000
"""How much of a fact is shown."""


def jobs(options: Namespace) -> None:
    """List the jobs, or show or download one.

    Raises:
        SeedanceError: The ledger or a setting cannot be used, or the job is unknown.
    """
    run = {"show": _show, "get": _get}.get(options.action, _list)
    anyio.run(run, options)


async def _list(options: Namespace) -> None:
    settings = load_settings(options.environment)
    history = await read_history(settings, Clock(), status=options.status, limit=options.limit)
    if options.json:
        _print_json(
            {
                "jobs": [record.facts() for record in history.records],
                "total": history.total,
                "today": asdict(history.today),
                "month": asdict(history.month),
                "unreadable": list(history.unreadable),
            }
        )
        return
    nothing = "No jobs match." if options.status else "No jobs yet."
    print_lines(_list_lines(history, shutil.get_terminal_size().columns, nothing=nothing))


async def _show(options: Namespace) -> None:
    settings = load_settings(options.environment)
    record, events = await read_job(settings, Clock(), options.id)
    if options.json:
        changes = [
            {"at": event.at and event.at.isoformat(), "was": event.was, "became": event.became}
            for event in events
        ]
        _print_json({**record.facts(), "arguments": record.job.shown_arguments, "events": changes})
        return
    print_lines(_facts(_shown_facts(record)))
    print_lines(["", "arguments", *_facts(record.job.shown_arguments, indent="  "), "", "events"])
    for event in events:
        change = f"{event.was} -> {event.became}" if event.was else event.became
        print_lines([f"  {_when(event.at)}  {plain(change)}"])


async def _get(options: Namespace) -> None:
    # It takes longer to import than a list takes.
    from seedance_mcp.service.retrieval import download_job

    bar = ProgressBar(sys.stderr, time.monotonic)
    try:
        settings = load_settings(options.environment)
        saved = await download_job(settings, Clock(), options.id, bar)
    finally:
        bar.close()
    print_lines(saved)


def _list_lines(history: History, columns: int, *, nothing: str) -> Iterator[str]:
    if history.records:
        shown = _shown_ids([record.id for record in history.records])
        form = "%Y-%m-%d %H:%M" if columns >= WIDE else "%m-%d %H:%M"
        rows = [_row(record, shown[record.id], form) for record in history.records]
        head, *lines = table(HEAD, rows, columns=columns, flexible=PROMPT, right={SEC, USD})
        yield head
        for line, record in zip(lines, history.records, strict=True):
            yield line
            for path in filter(None, record.job.saved_to):
                yield FILE + fit_end(plain(path, MOST_CHARACTERS), columns - len(FILE))
        if history.total > len(history.records):
            yield f"{len(history.records)} of {history.total} jobs; --limit N shows more."
    else:
        yield nothing
    if damaged := ", ".join(history.unreadable):
        yield f"Damaged in the ledger and left out here: {damaged}."
    if history.records or history.month.jobs:
        yield f"Today: {_sum(history.today)}."
        yield f"This month: {_sum(history.month)}."


def _shown_ids(ids: list[str]) -> dict[str, str]:
    """Return the beginning of each id that no other one has."""
    lengths = range(SHORTEST_ID, max(map(len, ids)) + 1)
    length = next((n for n in lengths if len({each[:n] for each in ids}) == len(ids)), None)
    return {each: each[:length] for each in ids}


def _row(record: JobRecord, shown_id: str, form: str) -> tuple[str, ...]:
    job = record.job
    length = "" if record.seconds is None else f"{record.seconds:g}"
    prompt = plain(str(job.arguments.get("prompt", "")))
    when = _when(job.created_at, form)
    return shown_id, when, job.status.value, plain(record.model), prompt, length, _cost(record)


def _shown_facts(record: JobRecord) -> dict[str, Any]:
    job = record.job
    return {
        "id": record.id,
        "status": job.status.value,
        "model": job.model_id,
        "created": _when(job.created_at),
        "started": _when(job.started_at),
        "finished": _when(job.finished_at),
        "USD": _cost(record),
        "saved to": list(filter(None, job.saved_to)),
        "videos": job.outputs.videos,
        "images": job.outputs.images,
        "error": job.error,
    }


def _facts(facts: Mapping[str, Any], *, indent: str = "") -> Iterator[str]:
    """Yield a line for each fact that is known; each item of a list has one of its own."""
    room = max(map(len, facts), default=0)
    for name, fact in facts.items():
        parts = cast("Sequence[Any]", fact) if isinstance(fact, list | tuple) else [fact]
        for each in parts:
            if each not in (None, ""):
                text = each if isinstance(each, str) else json.dumps(each)
                yield f"{indent}{plain(name):{room}}  {plain(text, MOST_CHARACTERS)}"


def _cost(record: JobRecord) -> str:
    """Return what a job costs in USD, with "~" before an estimate, "?" if that is unknown."""
    if record.usd is None:
        return "?"
    return f"~{_usd(record.usd)}" if record.estimated else _usd(record.usd)


def _sum(spent: Spent) -> str:
    about = "~" if spent.estimated else ""
    count = "1 job" if spent.jobs == 1 else f"{spent.jobs} jobs"
    remarks = [f"{spent.estimated} estimated"] if spent.estimated else []
    remarks += [f"{spent.unknown} of unknown cost not counted"] if spent.unknown else []
    return f"{about}{_usd(spent.usd)} USD for {', '.join([count, *remarks])}"


def _usd(usd: float) -> str:
    whole, _, fraction = f"{usd:.6f}".partition(".")
    return f"{whole}.{fraction.rstrip('0')}" if fraction.strip("0") else whole


def _when(at: datetime | None, form: str = "%Y-%m-%d %H:%M:%S %z") -> str:
    """Return a time in local time, "" if it is unknown."""
    with suppress(ValueError, OverflowError):  # years that only a damaged ledger has
        at = at and at.astimezone()
    return at.strftime(form) if at else ""


def _print_json(facts: dict[str, Any]) -> None:
    print_lines([json.dumps(facts, indent=2)])
