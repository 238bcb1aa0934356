"""The tools that buy a clip and wait for it: `generate_video`, and one for each further model."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial

import anyio
import mcp_types as types

from seedance_mcp.clock import EVER, Clock
from seedance_mcp.jobs.status import Status
from seedance_mcp.mcp_server._answers import JobAnswer, dry_run_answer, job_answer
from seedance_mcp.mcp_server._progress import JobProgress, reported
from seedance_mcp.mcp_server.apps.job_meta import job_meta
from seedance_mcp.models.model import JSONObject, Model
from seedance_mcp.service.consent import Ask, Proposal, Reply
from seedance_mcp.service.reports import JobReport, Order

from ._schemas import flag_property, hints, model_schema, wait_property
from .tool import FOR_MODEL, Call, Tool, to_result

NAME = "generate_video"

MAX_NAME_CHARACTERS = 40
"""How long the name of a tool may be, as some clients put their own names before it."""


FIRST_FRAME_SECONDS = 1.0
"""How long an answer may wait for the first frame; a player without it shows a skeleton."""

_AS_THERE = "As for generate_video."


def generate_video(model: Model, *, wait_seconds: int, local_files: bool) -> Tool:
    """Return the tool that makes clips with the first model; a call waits `wait_seconds`.

    `local_files` says whether its images may be files of this machine.
    """
    description = (
        f"Make a video clip from {_inputs(model)} with {model.model_id}. Each new job costs money."
        " Waits up to wait_seconds, then answers with a request_id to follow with check_status;"
        " never call this again for the same clip."
    )
    additions = {
        "wait_seconds": wait_property(wait_seconds),
        "force_new": flag_property(
            "Pay for another clip of an identical earlier call. Default false."
        ),
        "dry_run": flag_property(
            "Check the call and estimate its cost, but buy nothing. Default false."
        ),
    }
    return Tool(
        definition=types.Tool(
            name=NAME,
            title="Generate video",
            description=description,
            input_schema=model_schema(model, additions, local_files=local_files),
            annotations=hints(read_only=False, destructive=False, idempotent=False),
        ),
        answer=JobAnswer,
        handle=partial(_handle, model),
        teaches_clock=True,
        buys=True,
        page="player",
        visibility=FOR_MODEL,
    )


def generate_with_further(
    models: Sequence[Model], *, wait_seconds: int, local_files: bool
) -> Iterator[Tool]:
    """Yield a tool for each further model, which says no more than `generate_video` leaves open."""
    taken = {NAME}
    for model in models:
        name = _free_name(model.short_name, taken)
        taken.add(name)
        definition = types.Tool(
            name=name,
            title=f"Generate video ({model.short_name})",
            description=(
                f"As generate_video, from {_inputs(model)}, with {model.model_id}."
                " Each new job costs money."
            ),
            input_schema=_brief_schema(model, wait_seconds, local_files=local_files),
            annotations=hints(read_only=False, destructive=False, idempotent=False),
        )
        yield Tool(
            definition=definition,
            answer=JobAnswer,
            handle=partial(_handle, model),
            teaches_clock=True,
            buys=True,
            shown_facts=("request_id", "status", "next_step"),
            page="player",
            visibility=FOR_MODEL,
        )


def _brief_schema(model: Model, wait_seconds: int, *, local_files: bool) -> JSONObject:
    ours = {
        "wait_seconds": wait_property(wait_seconds) | {"description": _AS_THERE},
        "force_new": flag_property(_AS_THERE),
        "dry_run": flag_property(_AS_THERE),
    }
    return model_schema(model, ours, local_files=local_files, brief=True)


def _free_name(short_name: str, taken: set[str]) -> str:
    plain = f"{NAME}_{re.sub('[^A-Za-z0-9_]', '_', short_name)}"
    name, number = plain[:MAX_NAME_CHARACTERS], 1
    while name in taken:
        number += 1
        suffix = f"_{number}"
        name = plain[: MAX_NAME_CHARACTERS - len(suffix)] + suffix
    return name


def _inputs(model: Model) -> str:
    """Return what a model makes clips from, such as "an image and a prompt"."""
    required: set[str] = set(model.input_schema.get("required", ()))
    files = list(model.files())
    needed = dict.fromkeys(file.kind for file in files if file.name in required)
    optional = dict.fromkeys(f"{file.kind}s" for file in files if file.kind not in needed)
    articles = {"image": "an image", "video": "a video", "audio": "an audio file"}
    words = " and ".join([*map(articles.__getitem__, needed), "a prompt"])
    listed = " and ".join(", ".join(optional).rsplit(", ", 1))
    return f"{words}, optionally with {listed}" if optional else words


async def _handle(model: Model, call: Call) -> types.CallToolResult:
    report = await start(model, call, wait_seconds=call.arguments["wait_seconds"])
    return await report_job(call, report)


async def start(model: Model, call: Call, *, wait_seconds: float) -> JobReport:
    """Buy the clip that a call asks for, or take up the job of an identical call.

    It waits for `wait_seconds`, whatever the call says; if the call repeats others, or the player
    follows its job, only until the paid request is answered. A dry run buys nothing.
    """
    arguments = {**call.arguments}
    reuse_since: datetime | None = EVER
    clock = call.service.clock
    if arguments.pop("force_new"):
        # One that its client has given up, and only it, is not bought again.
        reuse_since = _date(clock, call.repeats_since)
    del arguments["wait_seconds"]
    async with reported(call.caller.notify, clock, preflight="checking the files") as watch:
        order = Order(
            model=model,
            dry_run=arguments.pop("dry_run"),
            arguments=arguments,
            reuse_since=reuse_since,
            answer_by=call.deadline,
            ask=_reporting(call.caller.ask, watch),
            answer=call.caller.user_answer,
            wants_poster=call.caller.shows_apps,
        )
        return await call.service.buy(
            order,
            wait_seconds=wait_seconds,
            submit_only=call.repeats_since is not None or call.is_followed,
            watch=watch,
        )


def _reporting(ask: Ask, progress: JobProgress) -> Ask:
    """Return what asks the user while the progress says so."""

    async def run(proposal: Proposal) -> Reply:
        async with progress.during("waiting for the user's yes"):
            return await ask(proposal)

    return run


def _date(clock: Clock, time: float | None) -> datetime | None:
    """Return a time of the event loop's clock as a date."""
    return None if time is None else clock.now() - timedelta(seconds=anyio.current_time() - time)


async def report_job(call: Call, report: JobReport) -> types.CallToolResult:
    """Return the result of a call that bought a clip, from what is known about its job."""
    if report.dry_run:
        return to_result(dry_run_answer(report))
    await call.service.tracker.note_told(report.job)
    # An unknown outcome counts as failed: it may have cost money, so the user must hear of it.
    failed = report.job.status in {Status.FAILED, Status.UNKNOWN}
    meta = await job_meta(call.service, report, await _first_frame(call, report))
    answer = job_answer(report, call.service.clock.now(), is_followed=call.is_followed)
    return to_result(answer, meta=meta, is_error=failed)


async def _first_frame(call: Call, report: JobReport) -> bytes | None:
    """Return what a clip begins with, for the player, if it is made soon.

    It has been in the making since the paid request was sent.
    """
    if not call.caller.shows_apps:
        return None
    timeout = min(FIRST_FRAME_SECONDS, call.deadline - anyio.current_time())
    return await call.service.posters.first_frame(report.job, timeout)
