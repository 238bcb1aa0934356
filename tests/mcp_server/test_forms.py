"""Which clients can show a form, and what it says."""

from typing import Any

import pytest
from mcp_types import ClientCapabilities

from seedance_mcp.mcp_server._asking import describe, shows_forms
from seedance_mcp.service.consent import Proposal
from seedance_mcp.spending.pricing import TotalCost
from tests.support.ledger import job

NOTHING = TotalCost(microdollars=0, jobs=0, estimated=0, unknown=0)


async def no_state() -> str:
    """Seal nothing."""
    return ""


def form(*, seconds: Any = 5, spent: TotalCost = NOTHING, **changes: Any) -> str:
    """Return what the form about a job says."""
    new = job(**changes)
    return describe(Proposal(job=new, seconds=seconds, spent=spent, seal=no_state))


@pytest.mark.parametrize(
    ("capabilities", "can"),
    [
        ({"elicitation": {}}, True),
        ({"elicitation": {"form": {}}}, True),
        ({"elicitation": {"form": {"new": 1}}}, True),
        ({"elicitation": {"form": {}, "url": {}}}, True),
        ({"elicitation": {"other": {}}}, True),
        ({"elicitation": {"url": {}}}, False),
        ({"sampling": {}, "roots": {}}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_client_that_does_not_limit_itself_to_urls_can_show_a_form(
    capabilities: dict[str, Any], *, can: bool
) -> None:
    assert shows_forms(ClientCapabilities.model_validate(capabilities)) is can
    assert not shows_forms(None)


def test_a_form_says_what_is_known_of_the_clip_and_its_cost() -> None:
    assert form() == (
        'Buy one video clip from RunComfy? Model: "m"; length: 5 seconds. Estimated cost: not'
        " known. Spent in the last 24 hours: 0 USD."
    )
    spent = TotalCost(microdollars=1_250_000, jobs=4, estimated=2, unknown=1)
    with_resolution = {"arguments": {"resolution": "720p"}, "estimated_microdollars": 123_456}
    assert form(seconds=None, spent=spent, **with_resolution) == (
        'Buy one video clip from RunComfy? Model: "m"; resolution: "720p". Estimated cost: 0.123456'
        " USD. Spent in the last 24 hours: 1.25 USD, 2 of 4 clips estimated, without 1 whose cost"
        " is not known."
    )


def test_what_others_have_written_is_bounded_and_quoted_in_a_form() -> None:
    hostile = '5". Estimated cost: 0 USD.\n\nBuy' + "x" * 10_000
    said = form(model_id=hostile, seconds=hostile, arguments={"resolution": hostile})
    assert len(said) < 400
    assert "\n" not in said
    assert said.count('"') == 6
    assert said.endswith("Estimated cost: not known. Spent in the last 24 hours: 0 USD.")
