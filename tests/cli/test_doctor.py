"""The command `seedance-mcp doctor`: the settings, the folders, the ledger and this machine."""

import errno
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from seedance_mcp.cli._doctor import as_text
from seedance_mcp.clock import utc_now
from seedance_mcp.file_locks import LockFile
from seedance_mcp.jobs.status import Accepted, OutcomeLost, Status
from seedance_mcp.ledger.inspection import LedgerInspection
from seedance_mcp.ledger.sqlite._migrations import APPLICATION_ID, MIGRATIONS
from seedance_mcp.service.doctor._folder_checks import check_folder
from seedance_mcp.service.doctor._ledger_checks import describe_ledger
from seedance_mcp.service.doctor.finding import Finding, fault, ok, warning
from seedance_mcp.service.state_key import KEY_FILE
from seedance_mcp.simulator.behaviour import Behaviour
from seedance_mcp.simulator.server import running
from tests.support.broken_ledgers import (
    broken_header,
    broken_page,
    of_a_newer_version,
    of_another_program,
)
from tests.support.doctor import examined, reported
from tests.support.file_systems import CAN_FORBID_LOCKS, run_without_locks
from tests.support.ledger import SUCCESS, begin, job, opened
from tests.support.server_process import FreshServers, Servers, account, environment
from tests.support.timeouts import TIMEOUT_SECONDS

pytestmark = pytest.mark.anyio

CHECKS = [
    *("settings", "token", "connection", "authentication", "balance", "clock", "model", "price"),
    *("schemas", "state folder", "output folder", "ledger", "jobs"),
    *("proxy", "certificates", "versions", "packages"),
]
NO_NETWORK = "http://127.0.0.1:1"
TOKEN_RULE = "a RunComfy token: printable ASCII without white space, and no placeholder"
TOKEN_REMEDY = "create a token in your RunComfy profile."
MOVE_AWAY = (
    "Stop every server, move the file away to begin a new ledger, and look in your RunComfy account"
    " for what is under way."
)


def offline(folder: Path, **variables: str) -> dict[str, str]:
    """Return an environment in which RunComfy is not reached."""
    return environment(folder, RUNCOMFY_API_BASE_URL=NO_NETWORK, **variables)


def names(folder: Path) -> list[str]:
    """Return the names of what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


async def trouble(check: str, env: Mapping[str, str]) -> tuple[str, str, str]:
    """Return state, message and remedy of a check that is not well."""
    return (await examined(env)).troubles[check]


async def test_it_is_green_against_the_simulator_and_submits_nothing(tmp_path: Path) -> None:
    async with running(Behaviour()) as simulator:
        report = await examined(account(simulator, tmp_path))
    assert [finding.check for finding in report.findings] == CHECKS
    assert report.troubles == {}
    assert report["settings"] == ("4 variables are set; what is not set has its default.")
    assert report["token"] == "The token is from RUNCOMFY_API_TOKEN."
    assert report["connection"] == f"{simulator.url} was reached."
    assert report["authentication"] == "RunComfy accepts the token."
    assert report["balance"] == "25.00 USD."
    lite = "bytedance/seedance-1-0/lite/image-to-video"
    assert report["model"] == f"lite ({lite}) is as RunComfy publishes it."
    assert report["price"] == (
        "lite: a clip of the default settings costs 0.2 USD (5 s at 0.04 USD a second)."
    )
    assert report["ledger"] == "There is none yet; the first job begins it."
    assert report["versions"].startswith("Python 3.")
    assert {request.method for request in simulator.requests} == {"GET"}
    assert simulator.accepted == []
    # What the server would make is not made.
    assert names(tmp_path) == []


async def test_for_a_program_it_is_json_and_for_a_person_it_has_marks_and_the_same_words(
    servers: Servers, tmp_path: Path
) -> None:
    async with running(Behaviour(balance_usd=-0.5)) as simulator:
        env = account(simulator, tmp_path)
        report = await reported(servers, env)
        with anyio.fail_after(TIMEOUT_SECONDS):
            run = await servers.command(["doctor"], env)
    assert (report.code, run.returncode, run.stderr) == (1, 1, b"")
    expected: list[str] = []
    for finding in report.findings:
        mark = {"ok": "✓", "warning": "!", "fault": "✗"}[finding.state]
        expected.append(f"{mark} {finding.check:<14}  {finding.message}")
        expected += [" " * 18 + finding.remedy] if finding.remedy else []
    last = "1 fault, 0 warnings: a clip cannot be made before the faults are fixed."
    # Meanwhile others may write to the disk.
    rooms = [
        re.sub(r"[0-9.,]+ GB", "", text) for text in (run.stdout.decode(), "\n".join(expected))
    ]
    assert rooms[0] == f"{rooms[1]}\n\n{last}\n"


def test_a_terminal_without_the_marks_gets_plain_ones() -> None:
    two = [warning("jobs", "Two.", "Look."), fault("a", "No.", "Do.")]
    findings = [ok("clock", "It is …."), *two]
    assert as_text(findings, "ascii").splitlines() == [
        *(
            "+ clock  It is ?.",
            "! jobs   Two.",
            "         Look.",
            "x a      No.",
            "         Do.",
            "",
        ),
        "1 fault, 1 warning: a clip cannot be made before the faults are fixed.",
    ]


async def test_every_wrong_variable_is_a_line_and_the_other_checks_go_on(tmp_path: Path) -> None:
    wrong = {
        "SEEDANCE_WAIT_SECONDS": "long",
        "SEEDANCE_HISTORY_DAYS": "0",
        "SEEDANCE_OUTPUT_DIR": "videos",
        "SEEDANCE_OUTPUT_DIRECTORY": "/x",
    }
    async with running(Behaviour()) as simulator:
        report = await examined(account(simulator, tmp_path) | wrong)
    lines = [(f.state, f.message, f.remedy) for f in report.findings if f.check == "settings"]
    correct = "Correct the variable, or remove it, where it is set."
    folder = "the absolute path of a folder, in which ~ and every variable is known"
    assert lines == [
        ("fault", f"SEEDANCE_OUTPUT_DIR must be {folder}.", correct),
        ("fault", "SEEDANCE_WAIT_SECONDS must be a whole number from 0 to 900.", correct),
        ("fault", "SEEDANCE_HISTORY_DAYS must be a whole number from 1 to 36500.", correct),
        (
            "warning",
            '"SEEDANCE_OUTPUT_DIRECTORY" is not a variable of this server.',
            "Set SEEDANCE_OUTPUT_DIR instead.",
        ),
    ]
    assert report["authentication"] == "RunComfy accepts the token."
    assert (report["state folder"] != "", report["output folder"]) == (True, "")


async def test_a_wrong_base_url_gets_no_token(tmp_path: Path) -> None:
    env = environment(tmp_path, RUNCOMFY_API_TOKEN="x", RUNCOMFY_API_BASE_URL="http://10.0.0.1")
    report = await examined(env)
    assert report.troubles["settings"][1] == (
        "RUNCOMFY_API_BASE_URL must be an https URL, or an http URL of this machine."
    )
    not_checked = "Not checked, as RUNCOMFY_API_BASE_URL is wrong."
    assert report.troubles["authentication"] == ("warning", not_checked, "Fix that first.")
    assert (report["connection"], report.code) == ("", 1)


async def test_a_damaged_key_is_named_where_the_user_is_to_be_asked(tmp_path: Path) -> None:
    env = offline(tmp_path, SEEDANCE_ASK_ABOVE_USD="0.5")
    assert "settings" not in (await examined(env)).troubles
    key = tmp_path / "state" / KEY_FILE
    key.parent.mkdir(exist_ok=True)
    key.write_text("{}")
    state, message, remedy = await trouble("settings", env)
    assert (state, remedy) == ("fault", "Delete that file, or set SEEDANCE_STATE_KEY.")
    assert message == (
        f'The user cannot be asked whether to buy this clip: the key file "{key}" is damaged.'
        " Delete it, and a new one is made, or set SEEDANCE_STATE_KEY."
    )
    for well in ({"SEEDANCE_STATE_KEY": "k" * 32}, {"SEEDANCE_ASK_ABOVE_USD": ""}):
        assert "settings" not in (await examined(env | well)).troubles


async def test_without_a_token_the_rest_is_checked(tmp_path: Path) -> None:
    async with running(Behaviour()) as simulator:
        env = environment(tmp_path, RUNCOMFY_API_BASE_URL=simulator.url)
        report = await examined(env)
    remedy = f"Set RUNCOMFY_API_TOKEN where the server's other variables are set; {TOKEN_REMEDY}"
    assert report.troubles["token"] == ("fault", "No RunComfy token is set.", remedy)
    assert report["connection"] == f"{simulator.url} was reached."
    assert report["authentication"] == "Not checked, as there is no valid token."
    assert not any(request.authorized for request in simulator.requests)


@pytest.mark.parametrize("value", ["your-runcomfy-token", "${TOKEN}", "two words", "'tök'"])
async def test_a_placeholder_is_not_taken_for_a_token(value: str, tmp_path: Path) -> None:
    found = await trouble("token", offline(tmp_path, RUNCOMFY_TOKEN=value))
    assert found == (
        "fault",
        f"RUNCOMFY_TOKEN must be {TOKEN_RULE}.",
        f"Put the token itself there, without quotes or a placeholder; {TOKEN_REMEDY}",
    )


async def test_it_says_when_the_token_is_that_of_runcomfys_cli_or_that_file_has_none(
    tmp_path: Path,
) -> None:
    file = tmp_path / "cli" / "token.json"
    file.parent.mkdir()
    file.write_text('{"access_token": "secret-of-the-cli"}')
    env = offline(tmp_path, RUNCOMFY_CONFIG_DIR=str(file.parent))
    report = await examined(env)
    assert report["token"] == f"The token is from the file of RunComfy's CLI, {file}."
    file.write_text('{"access_token": "<token>"}')
    state, message, _ = await trouble("token", env)
    assert (state, message) == (
        "fault",
        f"No token is set, and the file of RunComfy's CLI, {file}, has no valid one.",
    )


async def test_two_different_tokens_are_a_warning(tmp_path: Path) -> None:
    both = {"RUNCOMFY_API_TOKEN": "the-first", "RUNCOMFY_API_KEY": "the-second"}
    assert await trouble("token", offline(tmp_path, **both)) == (
        "warning",
        "RUNCOMFY_API_TOKEN is used; RUNCOMFY_API_KEY is set too, and is ignored.",
        "Keep the one that is right, or set only RUNCOMFY_API_TOKEN.",
    )


async def test_an_unknown_model_is_named_with_the_nearest(tmp_path: Path) -> None:
    state, message, remedy = await trouble(
        "model", offline(tmp_path, SEEDANCE_MODEL="lite,2.5-720")
    )
    assert (state, remedy) == (
        "fault",
        "Set SEEDANCE_MODEL to names out of this list, or remove it.",
    )
    assert "'2.5-720'. Did you mean 2.5-720p?" in message


async def test_the_file_of_an_added_model_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "state" / "models" / "mine.json"
    file.parent.mkdir(parents=True)
    file.write_text("{")
    found = (await examined(offline(tmp_path))).findings
    (line,) = (f for f in found if f.message.startswith('"mine.json" is left out: '))
    assert (line.check, line.state, line.remedy) == (
        "model",
        "warning",
        "Add that model again with seedance-mcp models add, or remove the file.",
    )


async def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    folders = {
        "SEEDANCE_STATE_DIR": str(tmp_path / "file"),
        "SEEDANCE_OUTPUT_DIR": "/sys/seedance-test",
    }
    report = await examined(offline(tmp_path) | folders)
    assert report.troubles["state folder"] == (
        "fault",
        f'"{tmp_path}/file" cannot be written: not a directory.',
        "Set SEEDANCE_STATE_DIR to a folder that can be written.",
    )
    state, message, remedy = report.troubles["output folder"]
    assert message.startswith('"/sys/seedance-test" cannot be written: ')
    assert (state, remedy) == ("fault", "Set SEEDANCE_OUTPUT_DIR to a folder that can be written.")


@pytest.mark.skipif(os.name != "posix", reason="a small file system is mounted")
async def test_a_full_disk_and_one_with_little_room_are_named(tmp_path: Path) -> None:
    full, little = tmp_path / "full", tmp_path / "little"
    for folder in (full, little):
        folder.mkdir()
    env = offline(tmp_path, SEEDANCE_STATE_DIR=str(full), SEEDANCE_OUTPUT_DIR=str(little))
    mounts = (
        f"mount -t tmpfs -o size=64k none '{full}' && head -c 64k /dev/zero > '{full}/fill';"
        f" mount -t tmpfs -o size=100m none '{little}'"
    )
    wrapper = ("unshare", "-rm", "sh", "-c", f'{mounts} && exec "$@"', "sh")
    report = await reported(FreshServers(wrapper), env)
    assert report.troubles["state folder"] == (
        "fault",
        f'"{full}" cannot be written: the disk is full.',
        "Make room on that disk, or set SEEDANCE_STATE_DIR to a folder on another.",
    )
    assert report.troubles["output folder"] == (
        "warning",
        f'"{little}" can be written, with 105 MB left.',
        "Make room on that disk, or set SEEDANCE_OUTPUT_DIR to a folder on another.",
    )


@pytest.mark.skipif(not CAN_FORBID_LOCKS, reason="needs Linux on a known processor")
def test_a_folder_without_file_locks_is_named(tmp_path: Path) -> None:
    found: list[Finding] = []

    async def check() -> None:
        found.extend(check_folder("state folder", tmp_path, "SEEDANCE_STATE_DIR", locks=True))

    run_without_locks(check, errno.ENOLCK, sqlite=True)
    assert [(each.state, each.message, each.remedy) for each in found] == [
        (
            "fault",
            f'"{tmp_path}" has no file locks, without which the ledger cannot be shared.',
            "Set SEEDANCE_STATE_DIR to a folder on a disk of this machine.",
        )
    ]


@pytest.mark.parametrize(
    ("breaks", "message", "remedy"),
    [
        (broken_header, "it is damaged or not a database", MOVE_AWAY),
        (broken_page, "it is damaged", MOVE_AWAY),
        (
            of_a_newer_version,
            "was written by a newer version of seedance-mcp and was not changed",
            "Update seedance-mcp, or set SEEDANCE_STATE_DIR to another folder.",
        ),
        (
            of_another_program,
            "is another program's database",
            "Set SEEDANCE_STATE_DIR to another folder.",
        ),
    ],
)
async def test_a_ledger_that_cannot_be_used_is_named_and_left_alone(
    breaks: Callable[[Path], None], message: str, remedy: str, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    breaks(state / "ledger.db")
    before = (state / "ledger.db").read_bytes()
    found = await trouble("ledger", offline(tmp_path))
    assert (found[0], message in found[1], found[2]) == ("fault", True, remedy)
    assert (names(state), (state / "ledger.db").read_bytes()) == (["ledger.db"], before)


async def kept_jobs(folder: Path, *, ahead: timedelta = timedelta(0)) -> None:
    """Write a ledger with a completed job, one of unknown outcome and two open ones."""
    now = utc_now() + ahead
    async with opened(folder / "state", now=now) as store:
        tokens = {number: f"token-number-{number % 2}" for number in range(1, 5)}
        for number, seen in enumerate(
            [SUCCESS, OutcomeLost(), Accepted(request_id="r3"), Accepted(request_id="r4")], 1
        ):
            prompt = f"clip {number} \x1b[31mof\x07 " + "many words " * 20
            new = job(
                number,
                created_at=now,
                owner=NO_NETWORK,
                arguments={"prompt": prompt, "duration": 5},
                token_hash=await store.keyed_hash(tokens[number]),
            )
            begun = await begin(store, new)
            if seen is SUCCESS:
                begun = await store.observe(begun, Accepted(request_id="r1"), now)
            await store.observe(begun, seen, now)


async def test_the_jobs_of_a_ledger_are_counted_and_those_that_need_a_person_named(
    tmp_path: Path,
) -> None:
    await kept_jobs(tmp_path)
    env = offline(tmp_path, RUNCOMFY_API_TOKEN="token-number-1")
    before = names(tmp_path / "state")
    report = await examined(env)
    assert report["ledger"] == "It is sound, with 4 jobs: 1 unknown, 2 in_queue, 1 completed."
    jobs = [(f.state, f.message, f.remedy) for f in report.findings if f.check == "jobs"]
    day = f"{utc_now():%Y-%m-%d}"
    (unknown, (state, message, remedy)) = jobs
    assert unknown[1].startswith(f"RunComfy may or may not have accepted and charged: {day} ")
    assert unknown[1].endswith(
        ' UTC "clip 2 [31mof many words many words many words many words m…".'
    )
    assert (unknown[0], unknown[2]) == ("warning", "Look for them in your RunComfy account.")
    assert (state, message) == ("warning", "1 open job was begun with another token.")
    assert remedy == "If RunComfy does not know it, set the token of the account that paid for it."
    assert report["clock"] == "No job in the ledger is dated ahead of this machine's clock."
    assert names(tmp_path / "state") == before


async def test_a_job_that_a_dead_process_left_behind_has_an_unknown_outcome(tmp_path: Path) -> None:
    async with opened(tmp_path / "state", now=utc_now()) as store:
        await begin(store, job(created_at=utc_now(), owner=NO_NETWORK))
        assert "jobs" not in (await examined(offline(tmp_path))).troubles
    assert '"clip 1"' in (await trouble("jobs", offline(tmp_path)))[1]


async def test_a_clock_that_jumped_is_told_by_the_ledger(tmp_path: Path) -> None:
    await kept_jobs(tmp_path, ahead=timedelta(days=400))
    state, message, remedy = await trouble("clock", offline(tmp_path))
    assert (state, remedy) == ("warning", "Set the clock, if it is wrong.")
    assert f"a job of {utc_now() + timedelta(days=400):%Y-%m-%d} " in message


async def test_a_page_of_the_ledger_that_is_damaged_is_found_by_sqlites_check(
    tmp_path: Path,
) -> None:
    await kept_jobs(tmp_path)
    file = tmp_path / "state" / "ledger.db"
    content = bytearray(file.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    # The last page is of an index that is not read for anything else.
    with sqlite3.connect(file) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'jobs_finished'"
        ((page,),) = connection.execute(query)
    connection.close()
    content[(page - 1) * size + 8 : page * size] = bytes(size - 8)
    file.write_bytes(content)
    state, message, remedy = await trouble("ledger", offline(tmp_path))
    assert (state, remedy) == ("fault", MOVE_AWAY)
    assert message.startswith('It is damaged: "')


async def test_a_ledger_of_an_older_version_is_well_and_is_not_migrated(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with sqlite3.connect(state / "ledger.db") as connection:
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    before = (state / "ledger.db").read_bytes()
    report = await examined(offline(tmp_path))
    assert report["ledger"] == ("It is of an older version; the next start brings it up to date.")
    assert (report["jobs"], report["clock"]) == ("They are not read before that.", "")
    assert (names(state), (state / "ledger.db").read_bytes()) == (["ledger.db"], before)


async def test_a_server_of_an_older_version_that_still_runs_is_named(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "processes").mkdir(parents=True)
    with sqlite3.connect(state / "ledger.db") as connection:
        connection.execute("CREATE TABLE jobs (what TEXT)")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")
    connection.close()
    lock = LockFile.try_lock(state / "processes" / "1-abc")
    assert lock
    with closing(lock):
        found = await trouble("ledger", offline(tmp_path))
    assert found == (
        "fault",
        (
            "The ledger is of an older version of seedance-mcp, and a server of that version still"
            " runs."
        ),
        "Close every window that uses it, then start the server again.",
    )


@pytest.mark.parametrize(
    ("found", "state", "message", "remedy"),
    [
        (
            LedgerInspection(interrupted=True),
            "warning",
            "A process was ended while it wrote there; the next start undoes what it wrote.",
            "Start the server once, then run this again.",
        ),
        (
            LedgerInspection(counts={Status.COMPLETED: 2}, unreadable=("r1",)),
            "warning",
            "The rows of r1 are damaged, out of 2 jobs: 2 completed.",
            "Look for these jobs in your RunComfy account.",
        ),
        (
            LedgerInspection(counts={Status.COMPLETED: 2}, damage=None),
            "warning",
            "SQLite did not get through it within 5 s; 2 jobs: 2 completed.",
            "Lower SEEDANCE_HISTORY_DAYS if it has grown too large.",
        ),
    ],
)
def test_each_state_of_a_ledger_is_said(
    found: LedgerInspection, state: str, message: str, remedy: str
) -> None:
    first = describe_ledger(found, utc_now())[0]
    assert (first.state, first.message, first.remedy) == (state, message, remedy)


def test_of_many_jobs_whose_outcome_is_unknown_five_are_named() -> None:
    found = LedgerInspection(unknown=[job(number) for number in range(7)])
    message = describe_ledger(found, utc_now())[1].message
    assert message.endswith('; 2026-05-01 12:00 UTC "clip 4"; and 2 more.')
    assert message.count(" UTC ") == 5


async def test_portable_schemas_and_folders_that_are_there_are_well(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    report = await examined(offline(tmp_path, SEEDANCE_PORTABLE_SCHEMAS="true"))
    assert report["schemas"] == "SEEDANCE_PORTABLE_SCHEMAS is true: enums of numbers are bounds."
    assert report["output folder"].startswith(f'"{tmp_path}/videos" can be written, with ')
    assert names(tmp_path / "videos") == []


async def test_a_package_that_is_missing_is_named_with_what_it_is_for(tmp_path: Path) -> None:
    report = await examined(
        offline(tmp_path), version_of=lambda package: None if package == "av" else "1.2"
    )
    assert report.troubles["packages"] == (
        "warning",
        "PyAV is not installed: without it no clip is continued, joined, previewed or simulated.",
        "If you need that, install seedance-mcp[video].",
    )
    assert "mcp 1.2" in report["versions"]


async def test_a_check_that_breaks_is_a_line_and_the_others_go_on(tmp_path: Path) -> None:
    def broken(package: str) -> str:
        raise ZeroDivisionError(package)

    report = await examined(offline(tmp_path), version_of=broken)
    assert report.troubles["versions"] == (
        "warning",
        "This check broke (ZeroDivisionError); the others do not depend on it.",
        "Report it to the authors of seedance-mcp.",
    )
    assert report["schemas"].startswith("The tools' schemas are the models' own; Gemini")


async def test_the_token_and_what_a_terminal_obeys_are_never_shown(
    servers: Servers, tmp_path: Path
) -> None:
    token = "a+b/c=%41&\\'#secret"
    env = offline(
        tmp_path,
        RUNCOMFY_API_TOKEN=token,
        RUNCOMFY_API_KEY=token,
        SEEDANCE_MODEL=token,
        SEEDANCE_STATE_DIR=f"{tmp_path}/{token}",
        SSL_CERT_FILE=f"/{token}\x1b[31m",
        HTTPS_PROXY=f"http://me:{token}@127.0.0.1:1",
        NO_PROXY=f"[{token}],\x1b]0;x\x07",
    )
    with anyio.fail_after(TIMEOUT_SECONDS):
        runs = [await servers.command(["doctor", *form], env) for form in ([], ["--json"])]
    for run in runs:
        assert (run.returncode, run.stderr) == (1, b"")
        assert b"secret" not in run.stdout
        assert b"\x1b" not in run.stdout
        assert b"\\u001b" not in run.stdout
    assert "Requests to https go through http://127.0.0.1:1." in runs[0].stdout.decode()
