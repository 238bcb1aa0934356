"""What a ledger decides, whatever keeps it."""

from dataclasses import replace

from seedance_mcp.jobs.job import Job


def merged(job: Job, twin: Job) -> Job:
    """Give a job what was learned of it under its request_id before its POST was answered."""
    return replace(
        twin,
        id=job.id,
        model_id=job.model_id,
        arguments=job.arguments,
        created_at=job.created_at,
        estimated_microdollars=job.estimated_microdollars,
    )
