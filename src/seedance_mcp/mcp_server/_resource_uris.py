"""The names of the resources that a client can read."""

import re

from seedance_mcp.jobs.job import REQUEST_ID_PATTERN

MODEL_URI = "seedance://model"
JOBS_URI = "seedance://jobs"
JOB_TEMPLATE = "seedance://jobs/{request_id}"


def job_uri(request_id: str) -> str:
    """Name the resource of a job."""
    return f"{JOBS_URI}/{request_id}"


def request_id_of(uri: str) -> str | None:
    """Give the request_id of the job that a URI names, None where it names anything else."""
    prefix, _, request_id = uri.rpartition("/")
    valid = prefix == JOBS_URI and re.fullmatch(REQUEST_ID_PATTERN, request_id)
    return request_id if valid else None
