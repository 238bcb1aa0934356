from typing import Any, Literal

import pytest

from seedance_mcp.errors import (
    BalanceEmpty,
    JobNotFound,
    RateLimited,
    RequestRejected,
    RunComfyError,
    RunComfyUnavailable,
    TokenRejected,
)
from seedance_mcp.runcomfy._error_codes import NOT_READY, error_code, error_text, read_error
from tests.support.wording import (
    NO_BALANCE,
    NO_SUCH_REQUEST,
    NO_USABLE_ANSWER,
    REQUEST_REJECTED,
    TOKEN_REJECTED,
    TOO_MANY_REQUESTS,
)

MEANING: dict[type[RunComfyError], str] = {
    RequestRejected: REQUEST_REJECTED,
    BalanceEmpty: NO_BALANCE,
    TokenRejected: TOKEN_REJECTED,
    JobNotFound: NO_SUCH_REQUEST,
    RateLimited: TOO_MANY_REQUESTS,
    RunComfyUnavailable: NO_USABLE_ANSWER,
}
About = Literal["model", "job"]


def facts(error: RunComfyError | None) -> tuple[Any, ...] | None:
    """Return the attributes of an error, None for none."""
    if error is None:
        return None
    transient = isinstance(error, RunComfyUnavailable) and error.transient
    return type(error), error.message, error.retry_after, transient


def said(kind: type[RunComfyError], detail: str, *, transient: bool = False) -> tuple[Any, ...]:
    """Return the expected attributes of an error."""
    return kind, f"{MEANING[kind]} ({detail}).", None, transient


@pytest.mark.parametrize("about", ["model", "job"])
@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (400002, BalanceEmpty),
        (400004, TokenRejected),
        (403001, JobNotFound),
        (404001, JobNotFound),
        (400003, RequestRejected),
        (400999, RequestRejected),
        (401001, TokenRejected),
        (402001, BalanceEmpty),
        (413001, RequestRejected),
        (422001, RequestRejected),
        (429001, RateLimited),
    ],
)
@pytest.mark.parametrize("status_code", [200, 400, 403, 404, 500])
def test_the_documented_code_takes_precedence_over_the_http_status(
    status_code: int, number: int, kind: type[RunComfyError], about: About
) -> None:
    body = {"error_code": number, "error_message": "No"}
    assert facts(read_error(status_code, body, about=about)) == said(kind, f'{number}: "No"')
    body = {"error_code": str(number)}
    assert facts(read_error(status_code, body, about=about)) == said(kind, str(number))


@pytest.mark.parametrize(
    ("status_code", "kind"),
    [
        (400, RequestRejected),
        (401, TokenRejected),
        (402, BalanceEmpty),
        (403, TokenRejected),
        (413, RequestRejected),
        (422, RequestRejected),
        (429, RateLimited),
        *((code, RunComfyUnavailable) for code in (301, 302, 307, 405, 408, 409, 418, 500, 501)),
    ],
)
@pytest.mark.parametrize("about", ["model", "job"])
@pytest.mark.parametrize("body", [{"error_code": None}, {"detail": []}, {"request_id": "r-1"}])
def test_without_a_code_the_http_status_says_what_is_wrong(
    status_code: int, kind: type[RunComfyError], about: About, body: object
) -> None:
    assert facts(read_error(status_code, body, about=about)) == said(kind, str(status_code))


NOT_RUNCOMFYS: list[object] = [None, {}, [], "", "Not Found", [{"message": "No"}], {"title": "No"}]


@pytest.mark.parametrize("status_code", [400, 404, 405, 422, 451])
@pytest.mark.parametrize("body", NOT_RUNCOMFYS)
def test_an_error_that_a_gateway_may_have_sent_says_nothing_about_a_job(
    status_code: int, body: object
) -> None:
    error = read_error(status_code, body, about="job")
    detail = f'{status_code}: "{error_text(body)}"' if error_text(body) else str(status_code)
    assert facts(error) == said(RunComfyUnavailable, detail)


@pytest.mark.parametrize(
    ("status_code", "kind"),
    [(400, RequestRejected), (401, TokenRejected), (402, BalanceEmpty), (404, RequestRejected)],
)
@pytest.mark.parametrize("body", NOT_RUNCOMFYS)
def test_a_refusal_of_the_paid_request_is_one_whoever_says_it(
    status_code: int, kind: type[RunComfyError], body: object
) -> None:
    assert type(read_error(status_code, body, about="model")) is kind


@pytest.mark.parametrize("status_code", [502, 503, 504])
def test_a_gateway_error_is_transient(status_code: int) -> None:
    error = read_error(status_code, {"message": "Bad gateway"}, about="job")
    assert facts(error) == said(
        RunComfyUnavailable, f'{status_code}: "Bad gateway"', transient=True
    )


@pytest.mark.parametrize(("about", "kind"), [("job", JobNotFound), ("model", RequestRejected)])
@pytest.mark.parametrize(
    ("status_code", "body", "detail"),
    [
        (404, {"detail": None}, "404"),
        (404, {"detail": "Not Found"}, '404: "Not Found"'),
        (400, {"error_code": 400001}, "400001"),
        (200, {"error_code": "400001"}, "400001"),
    ],
)
def test_an_unknown_id_is_that_of_the_model_or_job_in_the_path(
    about: About, kind: type[RunComfyError], status_code: int, body: object, detail: str
) -> None:
    assert facts(read_error(status_code, body, about=about)) == said(kind, detail)


@pytest.mark.parametrize("status_code", [200, 201, 202, 204])
@pytest.mark.parametrize(
    "body",
    [
        None,
        {},
        [],
        {"request_id": "r-1"},
        {"status": "failed", "error": "Too dark"},
        {"error_code": None},
        {"error_code": 0},
        {"error_code": ""},
    ],
)
def test_a_success_without_an_error_code_is_not_an_error(status_code: int, body: object) -> None:
    assert read_error(status_code, body, about="job") is None


def test_a_success_whose_error_code_is_the_string_zero_is_not_an_error() -> None:
    assert read_error(200, {"status": "in_queue", "error_code": "0"}, about="job") is None


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (7, said(RequestRejected, '7: "No"')),
        (499999, said(RequestRejected, '499999: "No"')),
        ("E_BAD", said(RequestRejected, '200: "No"')),
        (500000, said(RunComfyUnavailable, '500000: "No"')),
        (503001, said(RunComfyUnavailable, '503001: "No"')),
    ],
)
def test_a_success_with_an_unknown_error_code_is_an_error(
    code: object, expected: tuple[Any, ...]
) -> None:
    body = {"error_code": code, "message": "No"}
    assert facts(read_error(200, body, about="job")) == expected


@pytest.mark.parametrize("status_code", [400, 429, 503])
def test_the_wait_that_runcomfy_asks_for_is_kept(status_code: int) -> None:
    error = read_error(status_code, None, about="job", retry_after=7.5)
    assert error is not None
    assert error.retry_after == 7.5


@pytest.mark.parametrize(
    ("body", "number"),
    [
        ({"error_code": 400005}, NOT_READY),
        ({"error_code": "400005"}, NOT_READY),
        ({"error_code": "4_0"}, None),
        ({"error_code": "1234567890"}, None),
        ({"error_code": True}, None),
        ({"error_code": 400005.0}, None),
        ({"code": 400005}, None),
        ([{"error_code": 400005}], None),
        ("400005", None),
        (None, None),
    ],
)
def test_the_code_is_read_only_from_error_code(body: object, number: int | None) -> None:
    assert error_code(body) == number


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error_message": "A", "message": "B", "error": "C", "detail": "D"}, "A"),
        ({"message": "B", "error": "C", "detail": "D"}, "B"),
        ({"error": "C", "detail": "D"}, "C"),
        ({"detail": "D"}, "D"),
        ({"message": "", "error": None, "detail": "D"}, "D"),
        ({"error": {"code": 1, "message": "Inner"}}, "Inner"),
        ({"error": {"error": {"detail": "Deep"}}}, "Deep"),
        (
            {"detail": [{"loc": ["body", "prompt"], "msg": "Field required", "type": "missing"}]},
            "prompt: Field required",
        ),
        (
            {"detail": [{"field": "duration", "message": "5 or 10"}, {"msg": "No"}]},
            "duration: 5 or 10; No",
        ),
        ({"detail": ["one", "two", "three", "four"]}, "one; two; three"),
        ({"detail": [{"loc": ["body", 0], "msg": "Odd"}]}, "Odd"),
        ("plain text", "plain text"),
        (["a", "b"], "a; b"),
        ({"message": "two\nlines\x1b[31m\u202e"}, "two lines [31m"),
        ({"message": "x" * 500}, "x" * 299 + "…"),
        ({"detail": ["y" * 200] * 3}, ("y" * 200 + "; " + "y" * 97) + "…"),
        ({"error": {"error": {"error": {"error": {"error": "Too deep"}}}}}, None),
        ({"message": 7, "error": True, "detail": []}, None),
        ({"title": "No"}, None),
        ({}, None),
        (None, None),
        (7, None),
    ],
)
def test_a_message_is_found_in_every_known_form(body: object, text: str | None) -> None:
    assert error_text(body) == text


def test_the_name_of_a_field_does_not_make_a_message_longer_than_300_characters() -> None:
    text = error_text({"loc": "a" * 99, "msg": "b" * 500})
    assert text is not None
    assert len(text) <= 300


def test_a_number_of_a_thousand_digits_does_not_make_the_message_long() -> None:
    error = read_error(400, {"error_code": 10**1000, "message": "No"}, about="job")
    assert error is not None
    assert len(error.line) <= 400
