"""The command `seedance-mcp jobs`: the ledger for a person at a terminal."""

import io
import json
import os
import re
import shutil
import sqlite3
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from subprocess import PIPE
from tempfile import TemporaryDirectory
from typing import Any
from unicodedata import category, east_asian_width

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from mcp import Client

from seedance_mcp.cli._jobs import jobs
from seedance_mcp.cli._table import fit, fit_end, plain, width
from seedance_mcp.clips.preview import middle_frame
from seedance_mcp.clips.small_jpeg import POSTER
from seedance_mcp.clock import EVER, Clock
from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.status import Accepted, Outputs, Running, Status
from seedance_mcp.ledger.sqlite.store import SqliteStore
from seedance_mcp.mcp_server.app import build_server
from seedance_mcp.settings import load_settings
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import Simulator, running
from seedance_mcp.spending.limits import SpendingLimits
from tests.support.broken_ledgers import BROKEN
from tests.support.client import ARGUMENTS, structured
from tests.support.ledger import SUCCESS
from tests.support.older_ledger import older_ledger
from tests.support.scripted_network import mock_transport
from tests.support.server_process import Servers, account, environment, read_all
from tests.support.small_clip import render_small_clip
from tests.support.timeouts import TIMEOUT_SECONDS

ORIGIN = "http://127.0.0.1:1"
LITE = "bytedance/seedance-1-0/lite/image-to-video"
ID = "7c1f3a2b-1234-4678-9abc-def012345678"


def variables(folder: Path, **more: str) -> dict[str, str]:
    """Return an environment without a token, whose RunComfy does not answer."""
    return environment(folder, RUNCOMFY_API_BASE_URL=ORIGIN, **more)


def made(number: int = 1, **changes: Any) -> Job:
    """Return a completed job of now, which cost 0.2 USD."""
    job = Job(
        id=f"own-{number}",
        request_id=f"{number}{ID[1:]}",
        model_id=LITE,
        arguments={**ARGUMENTS, "duration": 5},
        owner=ORIGIN,
        created_at=datetime.now(UTC),
        status=Status.COMPLETED,
        cost_usd=0.2,
    )
    return replace(job, **changes)


def store(folder: Path) -> SqliteStore:
    """Return the ledger of a folder."""
    return SqliteStore(folder / "state", Clock(), origin=ORIGIN, history=timedelta(days=90))


async def write(folder: Path, *written: Job) -> None:
    """Write jobs into the ledger of a folder."""
    with closing(store(folder)) as ledger:
        for job in written:
            await ledger.run(lambda rows, job=job: rows.write(job, at=job.created_at), writes=True)


def printed(folder: Path, **options: Any) -> str:
    """Run the command in this process, and return what it prints."""
    given: dict[str, Any] = {"action": None, "status": None, "limit": 100, "json": False, **options}
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    with redirect_stdout(out):
        jobs(Namespace(environment=variables(folder), **given))
    out.seek(0)
    return out.read()


def listed_by_program(folder: Path, **options: Any) -> dict[str, Any]:
    """Return what the command prints for programs."""
    facts: dict[str, Any] = json.loads(printed(folder, json=True, **options))
    return facts


def columns_of(text: str) -> int:
    """Return how many columns a text takes, measured apart from the code."""
    wide = sum(east_asian_width(char) in {"W", "F"} for char in text)
    return len(text) + wide - sum(category(char) in {"Mn", "Me"} for char in text)


@st.composite
def ledgers(draw: st.DrawFn) -> list[Job]:
    """Draw some jobs of the last two months, none of which RunComfy would be asked about."""
    now = datetime.now(UTC)
    minutes = draw(st.lists(st.integers(0, 60 * 24 * 60), max_size=8, unique=True))
    dollars = st.sampled_from([None, 0.0, 0.2, 1.05])
    written: list[Job] = []
    for number, age in enumerate(minutes):
        status = draw(st.sampled_from([*(each for each in Status if each.final), Status.UNKNOWN]))
        outputs = Outputs(videos=("https://a.runcomfy.net/1.mp4",) if draw(st.booleans()) else ())
        job = made(
            number,
            created_at=now - timedelta(minutes=age),
            status=status,
            request_id=draw(st.sampled_from([None, f"{number}{ID[1:]}"])),
            cost_usd=draw(dollars),
            estimated_microdollars=draw(st.sampled_from([None, 350_000])),
            arguments={"prompt": draw(st.text(max_size=30)), "duration": 10},
            model_id=draw(st.sampled_from([LITE, "a/model/that/is/gone", None])),
            outputs=outputs,
            saved_to=("/videos/1.mp4",) if outputs and draw(st.booleans()) else (),
        )
        written.append(job)
    return written


def spent(written: list[Job], since: datetime) -> dict[str, Any]:
    """Return what jobs cost in all, added up apart from the code."""
    total, counts = Decimal(), {"jobs": 0, "estimated": 0, "unknown": 0}
    for job in written:
        cancelled = job.status is Status.CANCELLED and not job.cost_usd
        if job.created_at < since or job.model_id is None or cancelled:
            continue
        counts["jobs"] += 1
        if job.cost_usd:
            total += Decimal(str(job.cost_usd))
        elif job.estimated_microdollars:
            total += Decimal("0.35")
            counts["estimated"] += 1
        elif job.cost_usd is None:
            counts["unknown"] += 1
    return {"usd": float(total), **counts}


async def listed_over_mcp(folder: Path) -> dict[str, Any]:
    """Return what list_jobs answers from the same ledger."""
    settings = load_settings(variables(folder, RUNCOMFY_API_TOKEN="made-up"))
    server = build_server(settings, transport=mock_transport(_not_found))
    async with Client(server) as client:
        return structured(await client.call_tool("list_jobs", {"limit": 100}))


async def _not_found(_: httpx.Request) -> httpx.Response:
    return httpx.Response(404)


@given(ledgers())
@examples(max_examples=8)
def test_the_list_agrees_with_list_jobs_and_its_sums_with_the_jobs(written: list[Job]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        anyio.run(write, folder, *written)
        listed = listed_by_program(folder)
        over_mcp = anyio.run(listed_over_mcp, folder)
        lines = printed(folder).splitlines()
    shared = ("request_id", "status", "model_id", "created_at", "cost_usd")
    assert [[job[name] for name in shared] for job in listed["jobs"]] == [
        [job[name] for name in shared] for job in over_mcp["jobs"]
    ]
    assert listed["total"] == over_mcp["total"] == len(written)
    newest = sorted(written, key=lambda job: job.created_at, reverse=True)
    assert [job["id"] for job in listed["jobs"]] == [job.request_id or job.id for job in newest]
    assert [job["prompt"] for job in listed["jobs"]] == [job.arguments["prompt"] for job in newest]
    assert [job["saved_to"] for job in listed["jobs"]] == [list(job.saved_to) for job in newest]
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    assert listed["today"] == spent(written, midnight)
    assert listed["month"] == spent(written, midnight.replace(day=1))
    # Whatever the prompts are, a job is a line, and no line is wider than the terminal.
    assert [columns_of(line) <= 80 for line in lines] == [True] * len(lines)
    assert all(char.isprintable() for line in lines for char in line)
    assert sum(bool(re.match(r"(own-\d|\d[0-9a-f]{7}) ", line)) for line in lines) == len(written)


ODD_PROMPTS = [
    ("plain", "plain"),
    ("雾气飘过湖面", "雾气飘过湖面"),
    ("\x1b[31mred\x1b[0m \u202eevil\u202c\x07", "red evil"),
    ("two\r\nlines\tand a tab", "two lines and a tab"),
    ("👨\u200d👩\u200d👧 👍🏽 ❤\ufe0f", "👨👩👧 👍 ❤"),
    ("\U0001f1e9\U0001f1ea", "DE"),
    ("e\u0301 cafe\u0301", "é café"),
    ("שלום\u200f", "שלום"),
]


@pytest.mark.anyio
async def test_odd_prompts_keep_the_columns_in_line(servers: Servers, tmp_path: Path) -> None:
    await write(
        tmp_path,
        *(made(n, arguments={"prompt": odd}) for n, (odd, _) in enumerate(ODD_PROMPTS)),
    )
    run = await servers.command(["jobs"], variables(tmp_path))
    head, *lines = run.stdout.decode().splitlines()[: 1 + len(ODD_PROMPTS)]
    assert [line.partition("lite   ")[2].rpartition(" ")[0].rstrip() for line in lines[::-1]] == [
        shown for _, shown in ODD_PROMPTS
    ]
    assert {columns_of(line) for line in lines} == {len(head)}
    assert [line.endswith(" 0.2") for line in lines] == [True] * len(lines)


@given(st.text(max_size=40), st.integers(0, 20))
def test_a_text_that_is_cut_fits_and_says_so(text: str, room: int) -> None:
    shown = plain(text)
    for cut in (fit(shown, room), fit_end(shown, room)):
        assert width(cut) <= room
        assert cut == shown or not room or "…" in cut


@pytest.mark.anyio
async def test_without_a_ledger_there_are_no_jobs_yet_and_nothing_is_created(
    servers: Servers, tmp_path: Path
) -> None:
    run = await servers.command(["jobs"], variables(tmp_path))
    assert (run.returncode, run.stdout, run.stderr) == (0, b"No jobs yet.\n", b"")
    assert contents(tmp_path) == {}


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return what every file of a folder holds, and when it was changed."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.mark.anyio
async def test_listing_changes_nothing_while_a_server_writes(
    servers: Servers, tmp_path: Path
) -> None:
    await write(tmp_path, made(status=Status.SUBMITTING, request_id=None, cost_usd=None))
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE jobs SET model_id = 'x'")
        before = contents(tmp_path)
        run = await servers.command(["jobs"], variables(tmp_path))
        assert contents(tmp_path) == before
    # Its process is dead, as the server that comes next will write.
    assert "  unknown  lite  " in run.stdout.decode()


@pytest.mark.anyio
async def test_what_a_killed_process_left_half_written_is_not_listed_and_stays(
    servers: Servers, tmp_path: Path
) -> None:
    prompts = ({"prompt": f"{number}{'x' * 3000}"} for number in range(30))
    await write(tmp_path, *(made(n, arguments=prompt) for n, prompt in enumerate(prompts)))
    killed = tmp_path / "killed"
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as writer:
        # With hardly any cache, pages are written before the end.
        writer.execute("PRAGMA cache_size = 2")
        writer.execute("UPDATE jobs SET model_id = 'half-written', arguments = arguments || ' '")
        shutil.copytree(tmp_path / "state", killed / "state")
    before = contents(killed)
    run = await servers.command(["jobs"], variables(killed))
    assert (run.stdout.count(b"  lite  "), run.stdout.count(b"half")) == (20, 0)
    assert contents(killed) == before


@pytest.mark.anyio
async def test_times_days_and_months_are_local(servers: Servers, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    # Where it is half past midnight of the next day.
    east = (24 * 60 + 30 - now.hour * 60 - now.minute) % (24 * 60)
    zone = f"XXX-{east // 60:02}:{east % 60:02}"
    first_of_month = (now + timedelta(minutes=east)).day == 1
    jobs = [made(n, created_at=now - timedelta(minutes=age)) for n, age in enumerate([60, 10])]
    await write(tmp_path, *jobs)
    lines = (await servers.command(["jobs"], variables(tmp_path, TZ=zone))).stdout.decode()
    assert [found[1] for found in re.finditer(r" (\d\d:\d\d)  completed", lines)] == [
        "00:20",
        "23:30",
    ]
    month = "0.2 USD for 1 job" if first_of_month else "0.4 USD for 2 jobs"
    assert f"Today: 0.2 USD for 1 job.\nThis month: {month}.\n" in lines


@pytest.mark.anyio
async def test_an_older_ledger_is_listed_and_stays_as_it_is(
    servers: Servers, tmp_path: Path
) -> None:
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    with older_ledger(tmp_path / "state") as ledger:
        ledger.execute(
            "INSERT INTO jobs (id, request_id, owner, model_id, arguments, fingerprint, status,"
            " created_at, changed_at, videos, images, delivered, process)"
            " VALUES ('a', ?, 'a token', 'm', '{}', 'f', 'completed', ?, ?, '[]', '[]', 0, 'p')",
            (ID, at, at),
        )
    before = contents(tmp_path)
    run = await servers.command(["jobs"], variables(tmp_path))
    assert run.stdout.decode().splitlines()[1].startswith(f"{ID[:8]}  ")
    assert contents(tmp_path) == before


@pytest.mark.anyio
async def test_a_damaged_row_is_named_and_the_others_are_listed(
    servers: Servers, tmp_path: Path
) -> None:
    await write(tmp_path, made(1), made(2))
    with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE jobs SET arguments = '{' WHERE id = 'own-1'")
    lines = (await servers.command(["jobs"], variables(tmp_path))).stdout.decode().splitlines()
    assert [line[:8] for line in lines[1:2]] == [f"2{ID[1:8]}"]
    assert f"Damaged in the ledger and left out here: 1{ID[1:]}." in lines
    assert "Today: 0.4 USD for 2 jobs." in lines
    shown = await servers.command(["jobs", "show", f"1{ID[1:]}"], variables(tmp_path))
    assert (shown.returncode, shown.stderr.decode()) == (
        1,
        f"seedance-mcp: The row of 1{ID[1:]} in the ledger is damaged.\n",
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("spoil", "reason"), BROKEN, ids=lambda case: getattr(case, "__name__", "")
)
async def test_a_ledger_that_cannot_be_read_ends_in_one_line(
    servers: Servers, spoil: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir()
    spoil(tmp_path / "state" / "ledger.db")
    run = await servers.command(["jobs"], variables(tmp_path))
    assert (run.returncode, run.stdout, run.stderr.count(b"\n")) == (1, b"", 1)
    assert reason in run.stderr.decode()


def test_the_sums_say_what_is_estimated_and_what_is_unknown(tmp_path: Path) -> None:
    old = made(4, created_at=datetime.now(UTC) - timedelta(days=32), cost_usd=9.0)
    saved = Outputs(videos=("https://a.runcomfy.net/1.mp4",))
    first = made(1, outputs=saved, saved_to=("/videos/a.mp4",))
    estimated = made(2, cost_usd=None, estimated_microdollars=350_000)
    unknown = made(3, cost_usd=None)
    anyio.run(write, tmp_path, old, first, estimated, unknown)
    lines = printed(tmp_path, limit=3).splitlines()
    assert [line.rpartition(" ")[2] for line in lines[:4]] == ["USD", "?", "~0.35", "0.2"]
    assert lines[4:] == [
        "  -> /videos/a.mp4",
        "3 of 4 jobs; --limit N shows more.",
        *(
            f"{when}: ~0.55 USD for 3 jobs, 1 estimated, 1 of unknown cost not counted."
            for when in ("Today", "This month")
        ),
    ]
    only = listed_by_program(tmp_path, status="failed")
    assert (only["jobs"], only["total"], printed(tmp_path, status="failed").splitlines()[0]) == (
        [],
        0,
        "No jobs match.",
    )


def test_a_job_of_an_added_model_has_that_models_short_name_and_length(tmp_path: Path) -> None:
    properties = {"prompt": {"type": "string"}, "seconds": {"type": "integer"}}
    entry = {"model_id": "maker/other", "input_schema": {"properties": properties}}
    (tmp_path / "state" / "models").mkdir(parents=True)
    file = tmp_path / "state" / "models" / "other.json"
    file.write_text(json.dumps({"short_name": "mine", "entry": entry}))
    job = made(model_id="maker/other", arguments={"prompt": "A lake.", "seconds": 7})
    anyio.run(write, tmp_path, job)
    assert printed(tmp_path).splitlines()[1].split()[3:] == [
        *("completed", "mine", "A", "lake.", "7", "0.2"),
    ]
    assert listed_by_program(tmp_path)["jobs"][0]["seconds"] == 7


def test_a_job_is_shown_with_every_event_in_its_order(tmp_path: Path) -> None:
    async def live() -> None:
        new = made(status=Status.SUBMITTING, request_id=None, cost_usd=None)
        with closing(store(tmp_path)) as ledger:
            limits = SpendingLimits(jobs_per_hour=9)
            job = await ledger.begin(new, reuse_since=EVER, limits=limits)
            for seen in (Accepted(request_id=ID), Running(), SUCCESS):
                job = await ledger.observe(job, seen, datetime.now(UTC))

    anyio.run(live)
    states = ["submitting", "in_queue", "in_progress", "completed"]
    shown = json.loads(printed(tmp_path, action="show", id=ID, json=True))
    assert [(event["was"], event["became"]) for event in shown["events"]] == [
        *zip([None, *states], states, strict=False)
    ]
    (listed,) = listed_by_program(tmp_path)["jobs"]
    assert {name: shown[name] for name in listed} == listed
    assert shown["arguments"] == {**ARGUMENTS, "duration": 5}
    for name in (ID, ID[:4], "own-1"):
        lines = printed(tmp_path, action="show", id=name).splitlines()
        events = lines[lines.index("events") + 1 :]
        assert [event.split("  ")[-1] for event in events] == [
            "submitting",
            *(f"{was} -> {became}" for was, became in pairwise(states)),
        ]
        assert f"id        {ID}" in lines
        assert "  duration               5" in lines


def test_a_job_is_shown_with_the_clip_that_it_continues_and_not_with_its_image(
    tmp_path: Path,
) -> None:
    image, frame = "data:image/png;base64,AAAA", f"seedance://jobs/{ID}/last-frame"
    job = made(
        arguments={"prompt": "A lake.", "first_frame": image, "images": [image, image]},
        files={"first_frame": ("", frame), "images[1]": ("", frame), "images[0]": ("", "ab12")},
    )
    anyio.run(write, tmp_path, job)
    shown = json.loads(printed(tmp_path, action="show", id="own-1", json=True))["arguments"]
    assert (shown["first_frame"], shown["images"][1]) == (frame, frame)
    assert shown["images"][0].startswith("sha256:")
    lines = printed(tmp_path, action="show", id="own-1").splitlines()
    assert f"  first_frame  {frame}" in lines


@pytest.mark.anyio
async def test_a_wrong_id_ends_in_one_line(servers: Servers, tmp_path: Path) -> None:
    alike = [made(n, request_id=f"same-{n}") for n in range(5)]
    lost = made(6, id="lost-one", request_id=None, status=Status.UNKNOWN)
    await write(tmp_path, *alike, lost)
    none = "No job in the ledger has the id"
    named = "same-4, same-3, same-2, …"
    for arguments, line in {
        ("show", "x"): f'{none} "x": seedance-mcp jobs lists them.',
        ("show", "\x1b[31m"): f'{none} "[31m": seedance-mcp jobs lists them.',
        ("show", "same"): f"5 jobs in the ledger have an id that begins so: {named}.",
        ("show", "\udcff"): f'{none} "": seedance-mcp jobs lists them.',
        ("get", "../../x"): f'{none} "../../x": seedance-mcp jobs lists them.',
        ("get", "lost"): "lost-one has no clip: RunComfy has not named a request_id.",
        ("--status", "done"): "--status must be one of submitting, unknown, in_queue, in_progress,"
        ' completed, failed, cancelled; got "done".',
    }.items():
        run = await servers.command(
            ["jobs", *arguments], variables(tmp_path, RUNCOMFY_API_TOKEN="made-up")
        )
        assert (run.returncode, run.stdout) == (1, b"")
        assert run.stderr.decode() == f"seedance-mcp: {line}\n"


@pytest.mark.anyio
@pytest.mark.parametrize("limit", ["0", "1.5", "1000001", 30 * "9"])
async def test_a_limit_out_of_range_ends_in_one_line(
    servers: Servers, limit: str, tmp_path: Path
) -> None:
    run = await servers.command(["jobs", "--limit", limit], variables(tmp_path))
    assert (run.returncode, run.stdout) == (2, b"")
    last = run.stderr.decode().splitlines()[-1]
    assert last.endswith(f"expected a whole number from 1 to 1000000, got {limit}")


@pytest.mark.anyio
async def test_a_reader_that_has_seen_enough_ends_the_list_without_a_traceback(
    servers: Servers, tmp_path: Path
) -> None:
    # More than a pipe holds.
    prompts = ({"prompt": f"{number}{2000 * 'x'}"} for number in range(40))
    await write(tmp_path, *(made(n, arguments=prompt) for n, prompt in enumerate(prompts)))
    arguments = ["jobs", "--json", "--limit", "40"]
    with anyio.fail_after(TIMEOUT_SECONDS):
        async with servers.start(arguments, variables(tmp_path), stderr=PIPE) as process:
            assert process.stdout
            assert process.stderr
            await process.stdout.receive(1)
            await process.stdout.aclose()
            assert (await read_all(process.stderr), await process.wait()) == (b"", 1)


async def finished_job(simulator: Simulator, folder: Path) -> tuple[str, bytes]:
    """Make a clip in a simulator, note its job in the ledger, and return its id and its bytes."""
    headers = {"Authorization": f"Bearer {simulator.token}"}
    async with httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, headers=headers) as http:
        answer = await http.post(f"{simulator.url}/v1/models/{LITE}", json=ARGUMENTS)
        request_id: str = answer.json()["request_id"]
        result = f"{simulator.url}/v1/requests/{request_id}/result"
        # The run takes no time, and the clip is drawn before this is answered.
        output = (await http.get(result)).json()["output"]
        clip = (await http.get(output["videos"][0])).content
    job = made(request_id=request_id, owner=simulator.url, status=Status.IN_QUEUE, cost_usd=None)
    await write(folder, job)
    return request_id, clip


def read_terminal(terminal: int) -> Iterator[bytes]:
    """Yield what is written to a terminal until it is closed."""
    try:
        while data := os.read(terminal, 65536):
            yield data
    except OSError:
        return


@pytest.mark.anyio
async def test_a_clip_is_saved_byte_for_byte_with_a_bar_on_a_terminal(
    servers: Servers, tmp_path: Path
) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        behaviour = Behaviour(images="never", run_seconds=0)
        async with running(behaviour, render=render_small_clip) as simulator:
            request_id, clip = await finished_job(simulator, tmp_path)
            env = account(simulator, tmp_path)
            run = await servers.command(["jobs", "get", request_id[:8]], env)
            (saved,) = run.stdout.decode().splitlines()
            file = tmp_path / "videos" / Path(saved).name
            assert (str(file), file.read_bytes()) == (saved, clip)
            assert f"{len(clip):,} of {len(clip):,} bytes\n" in run.stderr.decode()
            assert b"\x1b" not in run.stderr
            listed = await servers.command(["jobs", "--json"], env)
            (job,) = json.loads(listed.stdout)["jobs"]
            facts = [job[name] for name in ("status", "saved_to", "cost_usd")]
            assert facts == ["completed", [saved], 0.2]
            with closing(sqlite3.connect(tmp_path / "state" / "ledger.db")) as ledger:
                ((poster,),) = ledger.execute("SELECT jpeg FROM posters").fetchall()
            assert poster == middle_frame(file, bounds=POSTER)
            # A file that is there is not downloaded again, and one that is gone is.
            asked = len(simulator.requests)
            again = await servers.command(["jobs", "get", request_id], env)
            assert (again.stdout, again.stderr) == (run.stdout, b"")
            assert [seen.route for seen in simulator.requests[asked:]] == ["result"]
            file.unlink()
            drawn = await _drawn_on_a_terminal(servers, ["jobs", "get", request_id], env)
            assert file.read_bytes() == clip
    bar = f"[{'#' * 30}] 100%  {len(clip):,} of {len(clip):,} bytes"
    assert drawn.endswith(f"\r\x1b[2K{bar}\r\n")


async def _drawn_on_a_terminal(servers: Servers, arguments: list[str], env: dict[str, str]) -> str:
    """Run a command whose stderr is a terminal, and return what is drawn there."""
    ours, theirs = os.openpty()
    try:
        with os.fdopen(theirs, "wb", buffering=0) as stderr:
            async with servers.start(arguments, env, stderr=stderr) as process:
                assert process.stdout
                await read_all(process.stdout)
                assert await process.wait() == 0
        return b"".join(read_terminal(ours)).decode()
    finally:
        os.close(ours)


@pytest.mark.anyio
async def test_a_job_without_a_clip_is_said_to_have_none(servers: Servers, tmp_path: Path) -> None:
    with anyio.fail_after(TIMEOUT_SECONDS):
        behaviour = Behaviour(images="never", run_seconds=600)
        async with running(behaviour) as simulator:
            env = account(simulator, tmp_path)
            job = made(request_id="no-such-job", owner=simulator.url, status=Status.IN_QUEUE)
            await write(tmp_path, job)
            unknown = await servers.command(["jobs", "get", "no-such-job"], env)
            headers = {"Authorization": f"Bearer {simulator.token}"}
            async with httpx.AsyncClient(trust_env=False, headers=headers) as http:
                answer = await http.post(f"{simulator.url}/v1/models/{LITE}", json=ARGUMENTS)
            request_id = answer.json()["request_id"]
            early = await servers.command(["jobs", "get", request_id], env)
    assert (early.returncode, early.stdout, early.stderr.decode()) == (
        1,
        b"",
        f"seedance-mcp: {request_id} has no clip: its status is in_progress.\n",
    )
    assert (unknown.returncode, unknown.stdout, unknown.stderr.count(b"\n")) == (1, b"", 1)
