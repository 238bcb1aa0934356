"""The simulated account without HTTP: accept, show and cancel jobs, and keep the balance."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast
from uuid import uuid4

from jsonschema.validators import validator_for

from seedance_mcp.models.model import Model

from ._queue import Ended, Queue, Queued, Running
from ._rendering import Renderer
from ._responses import ApiError, JSONObject, Reason, View
from .behaviour import Behaviour, seconds_of
from .jobs import Job


@dataclass(kw_only=True)
class SimulatedAccount:
    """The account, its jobs in the order of acceptance, and the models.

    Attributes:
        clock: A monotonic clock in seconds.
        epoch: The Unix time of the clock's zero.
        forgotten: The ids of requests that it no longer knows.
    """

    behaviour: Behaviour
    models: Mapping[str, Model]
    renderer: Renderer
    clock: Callable[[], float]
    jobs: list[Job] = field(default_factory=list[Job])
    forgotten: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self.queue = Queue(self.behaviour.workers)
        self.epoch = time.time() - self.clock()

    @property
    def balance_usd(self) -> float:
        """The balance after all accepted jobs; cancelled ones are free."""
        ran = (job for job in self.jobs if not self.queue.was_cancelled(job.request_id))
        return self.behaviour.balance_usd - sum(job.price_usd for job in ran)

    def model(self, model_id: str) -> Model:
        """Return a model by its id, the new one if it was renamed."""
        offered = self.offered()
        if model_id not in offered:
            raise ApiError(Reason.MODEL, f"No such model: {model_id}")
        return offered[model_id]

    def offered(self) -> dict[str, Model]:
        """Return the models that the catalogue has, by their ids now."""
        renamed = self.behaviour.renamed_models
        named = ((renamed.get(old, old), model) for old, model in self.models.items())
        return {name: replace(model, model_id=name) for name, model in named if name}

    def job(self, request_id: str) -> Job:
        """Return a job that the simulator still knows."""
        job = self._find(request_id)
        if job is None or request_id in self.forgotten:
            raise ApiError(Reason.REQUEST, f"No such request: {request_id}")
        return job

    async def finished(self, request_id: str) -> Job | None:
        """Return a job that has made a clip, forgotten or not, else None."""
        job = self._find(request_id)
        return job if job and (await self.view(job)).word == "completed" else None

    def _find(self, request_id: str) -> Job | None:
        return next((job for job in self.jobs if job.request_id == request_id), None)

    async def accept(self, model_id: str, arguments: Any) -> Job:
        """Check, charge and enqueue a job."""
        model = self.model(model_id)
        images, errors = None, self._errors(model, arguments)
        if not errors and self.behaviour.images == "at_submit":
            images, errors = await self.renderer.check_images(model, arguments)
        if errors:
            message = "; ".join(f"{name}: {text}" for name, text in errors.items())
            raise ApiError(Reason.INPUT, message, errors)
        if self.balance_usd <= 0:
            raise ApiError(Reason.BALANCE, "No balance left.")
        job = self._enqueue(model, arguments)
        job.images = images
        return job

    async def view(self, job: Job) -> View:
        """Return a job as it is now."""
        view = View(job=job, word="in_progress", created_at=self.epoch + job.accepted_at)
        match self.queue.state(job.request_id, self.clock()):
            case Queued(position):
                return replace(view, word="in_queue", position=position)
            case Ended(at, cancelled=True):
                return replace(view, word="cancelled", finished_at=self.epoch + at, cost_usd=0.0)
            case Running():
                await self._work(job)
                return view
            case Ended(at):
                if not await self._work(job):
                    return view
                word = "failed" if job.failure else "completed"
                at += self.epoch
                return replace(view, word=word, finished_at=at, cost_usd=job.price_usd)

    async def result(self, job: Job, *, include_cost: bool) -> View:
        """Return a job as its result shows it, which may lag behind its status."""
        view = await self.view(job)
        if view.word in {"in_queue", "in_progress"}:
            if self.behaviour.early_result == "error":
                raise ApiError(Reason.EARLY, "The result is not ready.")
            return view
        job.result_reads += 1
        late = job.result_reads - self.behaviour.result_lag
        if view.word != "cancelled" and late <= 0:
            return replace(view, word="in_progress", finished_at=None, cost_usd=None)
        billed = self.behaviour.cost == "present" and late > self.behaviour.cost_lag
        return view if include_cost and billed else replace(view, cost_usd=None)

    def _errors(self, model: Model, arguments: Any) -> dict[str, str]:
        """Check arguments by the published schema and return the errors by argument."""
        if not isinstance(arguments, dict):
            return {"body": "The body must be a JSON object."}
        given, schema = cast("JSONObject", arguments), dict(model.input_schema)
        errors = {
            name: "Field required" for name in schema.get("required", ()) if name not in given
        }
        for error in validator_for(schema)(schema).iter_errors(given):
            if error.path:
                name, *indices = error.path
                path = f"{name}{''.join(f'[{index}]' for index in indices)}"
                errors.setdefault(path, error.message)
        if self.behaviour.unknown_arguments == "refused":
            for name in given.keys() - model.properties.keys():
                errors[name] = "Unknown field"
        return errors

    def _enqueue(self, model: Model, arguments: JSONObject) -> Job:
        behaviour, now, ordinal = self.behaviour, self.clock(), len(self.jobs)
        job = Job(
            request_id=str(uuid4()),
            model_id=model.model_id,
            arguments=arguments,
            accepted_at=now,
            model=model,
            failure=behaviour.failure_text if behaviour.outcome == "fail" else None,
        )
        seconds = float(job.argument("duration", 5))
        job.price_usd = behaviour.price_usd * (1 if behaviour.price_unit == "output" else seconds)
        self.queue.accept(
            job.request_id,
            now,
            run_seconds=seconds_of(behaviour.run_seconds, ordinal),
            queue_seconds=seconds_of(behaviour.queue_seconds, ordinal),
        )
        self.jobs.append(job)
        return job

    async def _work(self, job: Job) -> bool:
        """Do the work of a run when it is polled, and return whether it is finished."""
        await self.renderer.load_images(job)
        if job.failure or self.behaviour.render == "lazy":
            return True
        self.renderer.start(job)
        return job.rendered.is_set()
