"""The small JPEGs that stand for clips in a list: which of them the ledger keeps, and for whom.

They are made again from clips where they are missing, so none is worth an error.
"""

from collections.abc import Collection

from seedance_mcp.jobs.job import Job

from ._rows import Rows

MOST_POSTERS = 500
"""How many posters a ledger has, those of the newest jobs: with the bound below, 15 MB."""

MOST_POSTER_BYTES = 30_000

_JPEG = b"\xff\xd8\xff"


def keep_poster(rows: Rows, job: Job, jpeg: bytes) -> bool:
    """Write the poster of a job in the place of an earlier one, and return whether it is kept.

    It is not if the ledger does not have the job, or has posters of as many newer ones as it keeps,
    or if it is not a JPEG, or too large.
    """
    stored = rows.by_id(job.id)
    # One that was discarded has no owner.
    if not stored or not stored.owner or not _is_poster(jpeg):
        return False
    rows.set_poster(stored, jpeg)
    rows.delete_posters(beyond=MOST_POSTERS)
    return bool(posters(rows, [stored.id], stored.owner))


def posters(rows: Rows, ids: Collection[str], owner: str) -> dict[str, bytes]:
    """Return the posters of an owner's jobs by our ids of them, without damaged ones."""
    return _read(rows, ids, owner)


def posters_of_all(rows: Rows, ids: Collection[str]) -> dict[str, bytes]:
    """Return the posters of jobs of any owner."""
    return _read(rows, ids, None)


def _read(rows: Rows, ids: Collection[str], owner: str | None) -> dict[str, bytes]:
    found = rows.posters(ids, owner=owner, most_bytes=MOST_POSTER_BYTES) if ids else {}
    return {job: jpeg for job, jpeg in found.items() if _is_poster(jpeg)}


def _is_poster(jpeg: bytes) -> bool:
    return jpeg.startswith(_JPEG) and len(jpeg) <= MOST_POSTER_BYTES
