"""Whatever happens: no job is lost, none is paid twice, and what has ended never changes.

Hypothesis plays a user, two chat windows, the network, RunComfy and the clocks, and searches for an
order of events in which the server fails. `model.py` knows what really happened.
"""

import asyncio
import json
from collections.abc import Coroutine
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

import anyio
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from mcp_types import CallToolResult, TextResourceContents

from seedance_mcp.simulator.faults import Fault
from tests.support.client import ARGUMENTS
from tests.support.served_ledger import NewLedger, ServedLedger
from tests.support.virtual_time import VirtualTimeLoop

from .audit import Audit
from .buyer import Buyer, Clip
from .model import Book
from .strategies import (
    clips,
    crossings,
    forces,
    moments,
    nths,
    repeated_fault,
    submit_faults,
    waits,
    windows,
)
from .world import Window, World, structure_of

T = TypeVar("T")

MODEL = "bytedance/seedance-1-0/lite/image-to-video"
NO_SUCH_JOB = "no-such-job"

FINAL = {"completed", "failed", "cancelled"}


def counts(window: Window, tool: str, given: dict[str, Any], answer: CallToolResult) -> bool:
    """Return whether a call is a receipt: a page polls by itself, and then only the end is one."""
    by_page = window.shows_apps and tool == "check_status" and given.get("wait_seconds") == 0
    return not by_page or structure_of(answer).get("status") in FINAL


class Purchases(RuleBasedStateMachine):
    """Random calls, faults, restarts and jumps of the clock, against the model."""

    def __init__(self, ledger: AbstractContextManager[ServedLedger]) -> None:
        super().__init__()
        self.held = ExitStack()
        self.runner = self.held.enter_context(asyncio.Runner(loop_factory=VirtualTimeLoop))
        self.world = World(self.held.enter_context(ledger))
        self.book = Book(self.world)
        self.audit = Audit(self.book)
        self.buyer = Buyer(self.world, self.book, self.audit)
        self.sound = False

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        self.sound = False
        result = self.runner.run(what)
        self.sound = True
        return result

    @initialize()
    def two_windows_open(self) -> None:
        self.run(self.world.open())

    # What users and agents do.

    @rule(window=windows, clip=clips, wait=waits, force_new=forces, fault=submit_faults)
    def generate(
        self, window: int, clip: Clip, wait: int | None, fault: Fault | None, *, force_new: bool
    ) -> None:
        self.run(self.buyer.generate([window], clip, fault, wait, force_new=force_new))

    @rule(clip=clips, wait=waits, fault=submit_faults)
    def generate_in_both_windows_at_once(
        self, clip: Clip, wait: int | None, fault: Fault | None
    ) -> None:
        self.run(self.buyer.generate([0, 1], clip, fault, wait))

    @rule(window=windows, clip=clips, after=moments, fault=submit_faults)
    def generate_and_give_up(
        self, window: int, clip: Clip, after: float, fault: Fault | None
    ) -> None:
        self.run(self.buyer.generate([window], clip, fault, give_up=after))

    @rule(window=windows, clip=clips, after=moments, abruptly=st.booleans(), fault=submit_faults)
    def generate_while_the_window_closes(
        self, window: int, clip: Clip, after: float, fault: Fault | None, *, abruptly: bool
    ) -> None:
        closing: dict[str, Any] = {"give_up": after, "close": True, "abruptly": abruptly}
        self.run(self.buyer.generate([window], clip, fault, **closing))

    @rule(window=windows, clip=clips, wait=st.sampled_from([3, 45]), after=crossings)
    def generate_and_give_up_as_the_answer_comes(
        self, window: int, clip: Clip, wait: int, after: float
    ) -> None:
        self.run(self.buyer.generate([window], clip, None, wait, give_up=wait + after))
        self.run(self.buyer.generate([window], clip, None, 0))

    @rule(window=windows, clip=clips, wait=waits)
    def reader_hangs_until_it_is_killed(self, window: int, clip: Clip, wait: int | None) -> None:
        # Its pipe takes the answer, and the client never sees it.
        self.run(self.buyer.generate([window], clip, None, wait))
        self.run(self.buyer.reopen(self.world.windows[window], abruptly=True))
        self.run(self.buyer.generate([window], clip, None, wait))

    @rule(window=windows, clip=clips, look=st.sampled_from(["list_jobs", "check_status"]))
    def other_window_looks_while_a_call_waits(self, window: int, clip: Clip, look: str) -> None:
        self.run(self._generate_while_looked_at(window, clip, look))
        self.run(self.buyer.generate([window], clip, None, 0))

    @rule(window=windows, clip=clips, force_new=forces)
    def make_a_dry_run(self, window: int, clip: Clip, *, force_new: bool) -> None:
        self.run(self.buyer.dry_run(window, clip, force_new=force_new))

    @rule(window=windows, nth=nths, wait=waits)
    def check_status(self, window: int, nth: int, wait: int | None) -> None:
        self.run(self._ask("check_status", window, self._nth(nth), wait_seconds=wait))

    @rule(window=windows, nth=nths, tool=st.sampled_from(["get_result", "cancel_job"]))
    def get_result_or_cancel_job(self, window: int, nth: int, tool: str) -> None:
        self.run(self._ask(tool, window, self._nth(nth)))

    @rule(window=windows, tool=st.sampled_from(["check_status", "get_result", "cancel_job"]))
    def ask_for_no_such_job(self, window: int, tool: str) -> None:
        assert self.run(self._ask(tool, window, NO_SUCH_JOB)).is_error

    @rule(window=windows)
    def list_jobs(self, window: int) -> None:
        self.run(self._list(window))

    @rule(window=windows)
    def look_at_the_gallery(self, window: int) -> None:
        self.run(self._look(window))

    @rule()
    def buy_on_the_web_page(self) -> None:
        self.run(self.world.buy_elsewhere(MODEL, ARGUMENTS | {"prompt": "On the web page."}))

    # What happens to them.

    @rule(fault=st.sampled_from(["status", "result", "cancel"]).flatmap(repeated_fault))
    def fault_comes(self, fault: Fault) -> None:
        self.world.simulator.faults.append(fault)

    @rule(run=st.sampled_from([0, 8, 60, 5000]), queue=st.sampled_from([0, 9]), fails=st.booleans())
    def runcomfy_changes(self, run: int, queue: int, *, fails: bool) -> None:
        behaviour = self.world.simulator.behaviour
        behaviour.run_seconds, behaviour.queue_seconds = run, queue
        behaviour.outcome = "fail" if fails else "succeed"

    @rule(usd=st.sampled_from([0.0, 1000.0, 1000.0]))
    def balance_changes(self, usd: float) -> None:
        self.world.simulator.behaviour.balance_usd = usd

    @rule(window=windows, nth=nths, lie=st.sampled_from(["failed", "cancelled", "in_progress"]))
    def runcomfy_contradicts_itself(self, window: int, nth: int, lie: str) -> None:
        ended = list(self.audit.ended)
        if not ended:
            return
        body = json.dumps({"status": lie, "error": "A lie."}).encode()
        self.world.simulator.faults.insert(0, Fault.answer("result", 200, body=body))
        self.run(self._ask("get_result", window, ended[nth % len(ended)]))

    @rule(window=windows, nth=nths)
    def runcomfy_forgets_a_job(self, window: int, nth: int) -> None:
        request_id = self._nth(nth)
        self.world.simulator.forget(request_id)
        answer = self.run(self._ask("get_result", window, request_id))
        if self.audit.ended.get(request_id) == "completed":
            assert "this is what was stored" in structure_of(answer)["next_step"]

    @rule(window=windows, abruptly=st.booleans())
    def window_is_opened_anew(self, window: int, *, abruptly: bool) -> None:
        self.run(self.buyer.reopen(self.world.windows[window], abruptly=abruptly))

    @rule(seconds=st.sampled_from([0.4, 1.5, 17.0, 130.0]))
    def time_passes(self, seconds: float) -> None:
        self.run(anyio.sleep(seconds))

    @rule(minutes=st.sampled_from([-180, -20, 20, 31, 1440]))
    def wall_clock_jumps(self, minutes: int) -> None:
        self.world.wall_offset += timedelta(minutes=minutes)

    # What must hold.

    @invariant()
    def ledger_and_purchases_agree(self) -> None:
        self.run(self.book.settle())
        rows = self.world.ledger.ends()
        self.audit.check_jobs([(request_id, status) for request_id, status, _ in rows])
        for request_id, status, video_url in rows:
            self.audit.check_final(request_id, status, video_url)

    def teardown(self) -> None:
        try:
            if self.sound:
                for window in (0, 1):
                    self.run(self._list(window))
        finally:
            with self.held:
                self.run(self.world.close())

    def _nth(self, nth: int) -> str:
        # Not a precondition: which moves may come must not depend on how fast the sockets are.
        accepted = [job.request_id for job in self.world.simulator.accepted] or [NO_SUCH_JOB]
        return accepted[nth % len(accepted)]

    async def _ask(self, tool: str, window: int, request_id: str, **given: Any) -> CallToolResult:
        """Call a tool about a job that was bought in either window or on the web page."""
        by = self.world.windows[window]
        known = {name for name, _, _ in self.world.ledger.ends()}
        sent = anyio.current_time()
        answer = await self.world.call(by, tool, {"request_id": request_id} | given)
        assert answer is not None
        if counts(by, tool, given, answer):
            for purchase in self.book.find(request_id):
                purchase.note_acknowledgement(by, sent)
        if structure_of(answer) and request_id not in known:
            self.audit.adopted.add(request_id)
        self.audit.check_answer(answer)
        return answer

    async def _generate_while_looked_at(self, window: int, clip: Clip, look: str) -> None:
        """Give up a call during which the other window lists the jobs, or asks about its job."""
        calling = asyncio.create_task(self.buyer.generate([window], clip, None, give_up=7.71))
        await anyio.sleep(2.17)
        other, sent = self.world.windows[1 - window], anyio.current_time()
        accepted = self.world.simulator.accepted
        if look == "list_jobs" or not accepted:
            await self.world.call(other, "list_jobs", {})
            await calling
            return
        newest = accepted[-1].request_id
        answer = await self._ask(look, 1 - window, newest, wait_seconds=0)
        await calling
        # It may be in the book only now; meanwhile the job may have ended.
        self.audit.note_told(answer)
        if counts(other, look, {"wait_seconds": 0}, answer):
            for purchase in self.book.find(newest):
                purchase.note_acknowledgement(other, sent)

    async def _look(self, window: int) -> None:
        """Read the gallery, which is a receipt for no job."""
        read = await self.world.windows[window].client.read_resource("seedance://gallery/1")
        (content,) = read.contents
        assert isinstance(content, TextResourceContents)
        jobs = json.loads(content.text)["jobs"]
        self.audit.check_jobs([(job["request_id"], job["status"]) for job in jobs])

    async def _list(self, window: int) -> None:
        by = self.world.windows[window]
        answer = await self.world.call(by, "list_jobs", {"limit": 100})
        assert answer is not None
        await self.book.settle()
        jobs = structure_of(answer)["jobs"]
        assert structure_of(answer)["total"] == len(jobs)
        self.audit.check_jobs([(job["request_id"], job["status"]) for job in jobs])
        self.audit.check_answer(answer)


def test_no_job_is_lost_or_paid_twice_or_changes_its_end_whatever_happens(
    pytestconfig: pytest.Config, rounds: int, new_ledger: NewLedger
) -> None:
    examples: int | None = pytestconfig.getoption("search")
    numbers = count()

    class PurchasesOnLedgers(Purchases):
        def __init__(self) -> None:
            super().__init__(new_ledger(str(next(numbers))))

    run_state_machine_as_test(
        PurchasesOnLedgers,
        settings=settings(
            max_examples=examples or max(8, 4 * rounds),
            # The same every time, as a check of a change must be; `make search` looks elsewhere.
            derandomize=not examples,
            stateful_step_count=25,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow],  # every example opens real sockets
        ),
    )
