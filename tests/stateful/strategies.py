"""What hypothesis chooses from: small sets, so that calls repeat."""

from base64 import b64encode
from copy import copy
from typing import Any

from hypothesis import strategies as st

from seedance_mcp.simulator.faults import Fault
from tests.support.client import ARGUMENTS
from tests.support.sample_images import make_image

from .world import TOKEN

windows = st.sampled_from([0, 1])
LOCAL = ARGUMENTS | {
    "first_frame_image_url": f"data:image/png;base64,{b64encode(make_image('PNG')).decode()}"
}
clips = st.sampled_from(
    [ARGUMENTS, ARGUMENTS | {"duration": 5}, ARGUMENTS | {"prompt": "Rain."}, LOCAL]
)
waits = st.sampled_from([0, 3, 45, None])
"""How long a call is told to wait, None if it is left to the server."""
moments = st.sampled_from([0.31, 2.17, 7.71, 21.3])
crossings = st.sampled_from([-0.01, 0.0, 0.001, 0.02])
"""How long after the end of its wait a caller gives up, in seconds."""
nths = st.integers(0, 7)
forces = st.sampled_from([False, False, False, True])


def fault(route: Any, *, times: int = 1) -> st.SearchStrategy[Fault]:
    """Choose a fault of a route, for so many requests."""
    empty = b'{"error_code": 400002, "error_message": "No balance left."}'
    busy = b'{"error_code": 429, "error_message": "Slow down."}'
    broken = b'{"message": "Broken by %s"}' % TOKEN.encode()
    one_of = [
        Fault.cut(route, times=times),
        Fault.answer(route, 429, body=busy, times=times),
        Fault.answer(route, 200, body=empty, times=times),
        Fault.answer(route, 400, body=empty, times=times),
    ]
    for after in (False, True):
        one_of += [
            Fault.drop(route, after=after, times=times),
            Fault.answer(route, 502, body=broken, after=after, times=times),
            Fault.garbage(route, "cut_json", after=after, times=times),
            Fault.garbage(route, "wrong_type", after=after, times=times),
            *(Fault.delay(route, s, after=after, times=times) for s in (4.3, 12.7, 41.9)),
        ]
    return st.sampled_from(one_of).map(copy)


def repeated_fault(route: str) -> st.SearchStrategy[Fault]:
    """Choose a fault of a route, for one request or for five."""
    return st.sampled_from([1, 5]).flatmap(lambda times: fault(route, times=times))


submit_faults = st.none() | st.none() | fault("submit")
"""The fault that the next paid request meets, most often none."""
