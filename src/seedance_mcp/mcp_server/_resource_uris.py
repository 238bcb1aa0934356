"""The URIs of the resources."""

import re
from urllib.parse import quote

from seedance_mcp.jobs.job import REQUEST_ID_PATTERN
from seedance_mcp.jobs.uris import JOBS_URI
from seedance_mcp.service.gallery import GalleryQuery, read_query

MODEL_URI = "seedance://model"
"""The first model; `model_uri` names the others."""
JOB_TEMPLATE = "seedance://jobs/{request_id}"
GALLERY_TEMPLATE = "seedance://gallery/{page}{?status,words}"

_GALLERY = "seedance://gallery/"
_MOST_CHARACTERS = 4_096
"""How long the URI of a page of the gallery may be; percent-encoding makes words longer."""


def model_uri(short_name: str) -> str:
    """Return the URI of a further model."""
    return f"{MODEL_URI}/{quote(short_name)}"


def job_uri(request_id: str) -> str:
    """Return the URI of a job."""
    return f"{JOBS_URI}/{request_id}"


def request_id_of(uri: str) -> str | None:
    """Return the request id in the URI of a job, None for any other URI."""
    prefix, _, request_id = uri.rpartition("/")
    valid = prefix == JOBS_URI and re.fullmatch(REQUEST_ID_PATTERN, request_id)
    return request_id if valid else None


def gallery_query_of(uri: str) -> GalleryQuery | None:
    """Return the query in the URI of a page of the gallery, None for any other URI.

    Raises:
        InputError: It is of the gallery, but not valid.
    """
    if not uri.startswith(_GALLERY) or len(uri) > _MOST_CHARACTERS:
        return None
    page, _, query = uri.removeprefix(_GALLERY).partition("?")
    return read_query(query, page=page)
