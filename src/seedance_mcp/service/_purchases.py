"""The one sequence that spends money; nothing else in this package does.

    1. the token         without one, nothing can be bought, nor with one that a caller made up
    2. a repeated call   gets the job of the earlier call, and nothing is bought, even if its local
                         images, or the clips that it continues, are gone by now
    3. the frames        of the clips that it continues are read; refuses a clip that has none
    4. preflight         refuses files that the model will not take
    5. the catalogue     refuses a model that is gone, and has the price that limits need
    6. a dry run         ends here, refused if the job would be over a limit
    7. the user          is asked, if the job costs more than may be bought unasked, no limit
                         forbids it anyway, and it was not bought meanwhile
    8. the ledger        refuses a job over a limit, or finds the job of a call that was repeated
                         meanwhile; else the job is on disk from here on
    9. the paid request  is sent once, in a task that outlives the call

Whatever stops the sequence before step 9 costs nothing. A dry run writes nothing of its own; any
other call has named the jobs whose clips it continues, which acknowledges them before step 1.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import inf
from uuid import uuid4

import anyio

from seedance_mcp.jobs.job import Job
from seedance_mcp.jobs.uris import ClipFrame
from seedance_mcp.models.model import JSONObject, Model
from seedance_mcp.spending.limits import SpendingLimits, needs_yes

from ._approvals import SUBMIT_RESERVE_SECONDS
from ._components import Components
from ._frames import find_frames
from ._request_states import Approval
from .reports import JobReport, Order

PREFLIGHT_TIMEOUT_SECONDS = 18.0
"""How long the preflight of a call that does not wait may take, so that the call stays below 60."""

_WILL_ASK = (
    "The user has to agree in a form before this clip is bought: it is over SEEDANCE_ASK_ABOVE_USD,"
    " or its price is not known."
)


async def purchase(service: Components, order: Order, *, deadline: float) -> JobReport:
    """Buy a clip, or find the job of an identical earlier call, and return it.

    A dry run returns the job that the call would buy or find.

    `deadline` is when the call is to answer, on the event loop's clock, in seconds; infinite for
    one that does not wait for the clip.

    Raises:
        SeedanceError: Nothing was bought, and why.
    """
    model = order.model
    await service.own_token.check(min(deadline, order.answer_by))
    # Two spellings of one URL ask for one clip.
    arguments = service.preflight.tidy(model, order.arguments)
    frames = find_frames(model, arguments)
    if not order.dry_run:
        await service.frames.acknowledge(frames)
    new = await _new_job(service, model, arguments, frames)
    # A local image that is not ready would be refused, and then again and again.
    checked_by = _preflight_deadline(deadline if order.answer_by == inf else inf)
    hosts_by = _preflight_deadline(min(deadline, order.answer_by))
    owed, given = await _find_owed(service, order, new, checked_by)
    if owed:
        if not order.dry_run:
            service.catalogue.record_estimate(owed)
        return JobReport(job=owed, reused=True, dry_run=order.dry_run)
    new, warnings = await _check(service, order, new, checked_by=checked_by, hosts_by=hosts_by)
    new, limits = await _price(service, order, new, min(deadline, order.answer_by))
    asks = needs_yes(new, limits)
    if order.dry_run or asks:
        # The user is not to agree to what a limit does not allow, or to what is owed by now.
        owed = await service.store.find_or_check(new, reuse_since=order.reuse_since, limits=limits)
    if order.dry_run or owed:
        warnings += (_WILL_ASK,) if asks and not owed else ()
        job = owed or new
        return JobReport(job=job, reused=job is owed, dry_run=order.dry_run, warnings=warnings)
    new = await service.approvals.approve(new, order, given, limits, deadline)
    return await _buy(service, order, new, limits, warnings)


async def _buy(
    service: Components, order: Order, new: Job, limits: SpendingLimits, warnings: tuple[str, ...]
) -> JobReport:
    """Write a job down and have it sent, or find an identical one of this very moment."""
    job = new
    # A cancelled call must not come between the ledger and the paid request.
    with anyio.CancelScope(shield=True):
        job = await service.store.begin(new, reuse_since=order.reuse_since, limits=limits)
        if job.id == new.id:
            service.submissions.submit(job)
            service.spending.forget()
            if order.wants_poster:
                service.posters.start_first_frame(job, order.model)
    service.catalogue.record_estimate(job)
    return JobReport(job=job, reused=job.id != new.id, warnings=warnings)


async def _check(
    service: Components, order: Order, new: Job, *, checked_by: float, hosts_by: float
) -> tuple[Job, tuple[str, ...]]:
    """Check a job's model and files, and return it with the files as they are sent, and warnings.

    Raises:
        SeedanceError: RunComfy would not take them, and why.
    """
    model, began = order.model, anyio.current_time()
    await service.catalogue.refuse_if_gone(model, hosts_by)
    arguments = {**new.arguments}
    frames = await service.frames.read(
        find_frames(model, arguments), checked_by, keep=not order.dry_run
    )
    now = anyio.current_time()
    checked = await service.preflight.check(
        model, arguments, frames=frames, timeout=checked_by - now, host_timeout=hosts_by - now
    )
    warnings = await service.catalogue.check(model, since=began, deadline=hosts_by)
    new = replace(new, arguments=checked.arguments, files=checked.files)
    return new, checked.warnings + warnings


async def _price(
    service: Components, order: Order, new: Job, deadline: float
) -> tuple[Job, SpendingLimits]:
    """Return a job as it would be begun now, with its estimate, and the limits that it is under."""
    limits = await service.catalogue.limits(
        service.limits, order.model, deadline, needs_price=order.dry_run
    )
    now = service.clock.now()
    return service.catalogue.with_estimate(replace(new, created_at=now)), limits


async def _find_owed(
    service: Components, order: Order, new: Job, deadline: float
) -> tuple[Job | None, Approval | None]:
    """Return the job of an identical earlier call, and the yes of the user that a call brings.

    The job is found even if its local images are gone.
    """
    if order.reuse_since is None and order.answer is None:
        return None, None
    timeout = deadline - anyio.current_time()
    files = await service.preflight.identify(order.model, {**new.arguments}, timeout=timeout)
    new = replace(new, files={**new.files, **files})
    given = await service.approvals.find(new, order.answer)
    new = replace(new, approval=given and given.nonce)
    return await service.store.find_owed(new, order.reuse_since), given


async def _new_job(
    service: Components, model: Model, arguments: JSONObject, frames: Mapping[str, ClipFrame]
) -> Job:
    return Job(
        id=uuid4().hex,
        model_id=model.model_id,
        arguments=arguments,
        files={place: ("", frame.uri) for place, frame in frames.items()},
        owner=service.tracker.owner,
        token_hash=await service.tracker.token_hash(),
        created_at=service.clock.now(),
    )


def _preflight_deadline(deadline: float) -> float:
    """Return when the preflight of a call that is to answer by a deadline must be over."""
    now = anyio.current_time()
    if deadline == inf:
        return now + PREFLIGHT_TIMEOUT_SECONDS
    return max((now + deadline) / 2, deadline - SUBMIT_RESERVE_SECONDS)
