"""Which jobs other processes change, as the database says when it has committed that."""

import json
import logging
from collections.abc import AsyncGenerator
from typing import Any

import psycopg

from seedance_mcp.clock import Clock

from ._errors import meaning
from ._statements import CHANNEL

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 15.0
"""How long until a broken connection is made again, at first and after many failures."""


async def listen(
    address: dict[str, Any], clock: Clock
) -> AsyncGenerator[tuple[str, str] | None, None]:
    """Yield the process that has changed a job and our id of the job, until it is closed.

    None comes first, and after every time that the connection broke: what was changed before is
    not known. The connection is its own, since one of a pooler would hear nothing.
    """
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            connected = await psycopg.AsyncConnection.connect(
                **address, autocommit=True, prepare_threshold=None
            )
            try:
                await connected.execute(f"LISTEN {CHANNEL}")
                pause = FIRST_PAUSE_SECONDS
                yield None
                async for notification in connected.notifies():
                    if change := _read(notification.payload):
                        yield change
            finally:
                # Its own context would wait for a rollback first, which a cancelled task cannot.
                await connected.close()
        except psycopg.Error as error:
            logger.info("Changes by other servers are not heard of: %s", meaning(error))
        await clock.sleep(pause * (1 + clock.random()))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _read(payload: str) -> tuple[str, str] | None:
    """Return a notification, None if it is not one of ours."""
    try:
        process, job_id = json.loads(payload)
    except (ValueError, TypeError, RecursionError):
        return None
    return str(process), str(job_id)
