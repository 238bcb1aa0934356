"""The longer SQL statements about jobs, and parts of statements."""

from typing import LiteralString

CHANNEL: LiteralString = "seedance_jobs"
"""What is notified of every job that changes, with the process that wrote it, and our id of it."""

STARTED: LiteralString = (
    "model_id IS NOT NULL AND created_at > %(since)s AND created_at <= %(until)s"
    " AND owner = coalesce(%(owner)s::text, owner)"
)
COUNTED: LiteralString = f"{STARTED} AND (status <> 'cancelled' OR cost_usd > 0)"
SELECT: LiteralString = "SELECT *, created_at AS at FROM seedance.jobs WHERE"
# Arguments, which are long, where only a price can say what a job costs.
COSTS: LiteralString = f"""
    SELECT count(*) AS jobs, min(id) AS id, model_id, min(status) AS status, cost_usd,
        estimated_microdollars, min(created_at) AS at, said
    FROM (
        SELECT *, CASE WHEN cost_usd > 0 OR estimated_microdollars IS NOT NULL THEN '{{}}'
            ELSE arguments END AS said
        FROM seedance.jobs WHERE {COUNTED}
    ) AS counted
    GROUP BY model_id, cost_usd, estimated_microdollars, said
    """
_COLUMNS: tuple[LiteralString, ...] = (
    *("id", "request_id", "owner", "token_hash", "model_id", "arguments", "files", "fingerprint"),
    *("status", "queue_position", "created_at", "started_at", "finished_at", "changed_at"),
    *("videos", "images", "saved_to", "cost_usd", "estimated_microdollars", "error"),
    *("acknowledged_by", "approval", "timely"),
)
_NAMES: LiteralString = ", ".join(_COLUMNS)
_VALUES: LiteralString = ", ".join([f"%({column})s" for column in _COLUMNS])
_CHANGES: LiteralString = ", ".join([f"{column} = excluded.{column}" for column in _COLUMNS])
WRITE: LiteralString = (
    f"INSERT INTO seedance.jobs ({_NAMES}, process) VALUES ({_VALUES}, %(process)s)"
    f" ON CONFLICT (id) DO UPDATE SET {_CHANGES}"
)
WRITE_EVENT: LiteralString = (
    "INSERT INTO seedance.events (job, at, was, became)"
    " VALUES (%(job)s, %(at)s, %(was)s, %(became)s)"
)
# In one round trip, while all others that write wait. The first part sees the row as it was.
WRITE_CHANGE: LiteralString = f"""
    WITH before AS MATERIALIZED (SELECT status FROM seedance.jobs WHERE id = %(id)s),
    written AS ({WRITE}),
    noted AS (
        INSERT INTO seedance.events (job, at, was, became)
        SELECT %(id)s::text, %(changed_at)s, (SELECT status FROM before), %(status)s::text
        WHERE (SELECT status FROM before) IS DISTINCT FROM %(status)s::text
    )
    SELECT (SELECT status FROM before) AS was, pg_notify('{CHANNEL}', %(payload)s::text)
    """

POSTERS: LiteralString = """
    SELECT job, jpeg FROM seedance.posters JOIN seedance.jobs ON id = job
    WHERE job = ANY(%(ids)s) AND owner = coalesce(%(owner)s::text, owner)
        AND octet_length(jpeg) <= %(most_bytes)s
    """
WRITE_POSTER: LiteralString = (
    "INSERT INTO seedance.posters VALUES (%(job)s, %(jpeg)s)"
    " ON CONFLICT (job) DO UPDATE SET jpeg = excluded.jpeg"
)
DELETE_POSTER: LiteralString = "DELETE FROM seedance.posters WHERE job = %(job)s"
DELETE_POSTERS: LiteralString = """
    DELETE FROM seedance.posters WHERE job IN (
        SELECT job FROM seedance.posters JOIN seedance.jobs ON id = job
        ORDER BY created_at DESC, jobs.number DESC OFFSET %(beyond)s
    )
    """
