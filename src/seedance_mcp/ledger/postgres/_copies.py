"""What only moving a ledger does with the rows of jobs: all of them at once."""

from collections.abc import Iterable

from seedance_mcp.ledger._columns import read_time, to_row
from seedance_mcp.ledger._posters import posters_of_all
from seedance_mcp.ledger._rows import Event
from seedance_mcp.ledger.copies import JobCopy

from . import _statements as sql
from ._queries import PostgresRows


class CopiedRows(PostgresRows):
    """The rows of a ledger to which another one moves."""

    def ids(self) -> list[str]:
        """Return our ids of all jobs."""
        return [row["id"] for row in self._rows("SELECT id FROM seedance.jobs")]

    def everything(self) -> list[JobCopy]:
        """Return every readable job with all that is its own, in the order of their rows."""
        events: dict[str, list[Event]] = {}
        for row in self._rows("SELECT job, at, was, became FROM seedance.events ORDER BY number"):
            event = Event(at=read_time(row["at"]), was=row["was"], became=row["became"])
            events.setdefault(row["job"], []).append(event)
        posters = posters_of_all(self, self.ids())
        return [
            JobCopy(
                job=job,
                changed_at=row["changed_at"],
                events=tuple(events.get(job.id, ())),
                poster=posters.get(job.id),
            )
            for row in self._rows("SELECT * FROM seedance.jobs ORDER BY number")
            if (job := self._read(row))
        ]

    def insert(self, copies: Iterable[JobCopy]) -> None:
        """Write new jobs with all that is theirs, in this order; nothing is notified."""
        for copy in copies:
            row = to_row(copy.job, copy.changed_at) | {"process": self.process}
            self._run(sql.WRITE, row | {"status": str(copy.job.status)})
            for event in copy.events:
                self._run(sql.WRITE_EVENT, vars(event) | {"job": copy.job.id})
            if copy.poster:
                self.set_poster(copy.job, copy.poster)
