"""Bodies of RunComfy's answers as JSON, bounded when inflated and when parsed, and redacted."""

import json
import re
import zlib
from typing import Any, cast

from seedance_mcp.errors import UnreadableAnswer

MAX_TOKENS = 200_000
"""How many of the characters `{ [ , :` an answer may have outside of strings; each becomes an
object that takes far more memory than the character."""

TOO_LONG = "RunComfy's answer is too long."

_NOT_STRUCTURE = bytes(set(range(256)) - set(b'"{[,:'))
_GZIP = b"\x1f\x8b"
# Each copies what follows it, so a body of empty ones would stop the server for minutes.
_MAX_MEMBERS = 32
# Python refuses to read integers of thousands of digits.
_MAX_DIGITS = 20
_MAX_DEPTH = 50
_NEVER_REDACTED = {"request_id", "status", "output"}
# A string, which may be cut off, or a bracket.
_NESTING = re.compile(r'"(?:[^"\\]+|\\.?)*+"?|[\[{}\]]', re.DOTALL)


def inflate(raw: bytearray, encoding: str, limit: int) -> bytearray:
    """Return a body as it was before RunComfy encoded it, which it may do once."""
    match encoding.strip().lower():
        case "" | "identity":
            return raw
        case "gzip" | "x-gzip" | "deflate":
            try:
                return _inflate_members(raw, limit)
            except zlib.error as error:
                raise UnreadableAnswer("RunComfy's answer is damaged.") from error
        case _:
            why = "RunComfy's answer is encoded in a way that was not asked for."
            raise UnreadableAnswer(why)


def _inflate_members(raw: bytes | bytearray, limit: int) -> bytearray:
    """Return what is in raw deflate, in zlib's form of it, or in all members of gzip."""
    # 32 takes the header of zlib or gzip; no raw deflate begins with such a half byte.
    headed = raw[:1].hex()[1:] in {"8", "f"}
    body = bytearray()
    for _ in range(_MAX_MEMBERS):
        inflater = zlib.decompressobj(zlib.MAX_WBITS + 32 if headed else -zlib.MAX_WBITS)
        body += inflater.decompress(raw, limit + 1 - len(body))
        raw = inflater.unused_data
        if len(body) > limit:
            break
        if not raw.startswith(_GZIP):
            return body
    raise UnreadableAnswer(TOO_LONG)


def parse_json(raw: bytearray) -> Any:
    """Return a body's JSON, or None; raise `UnreadableAnswer` for more than can be held.

    The body is emptied, since its text alone takes up to four times as much memory.
    """
    charset = json.detect_encoding(raw)
    if charset[:5] != "utf-8":
        raw[:] = raw.decode(charset, "replace").encode("utf-8", "replace")
    # Without escapes, every second piece between quotes is outside of strings.
    bare = raw.replace(rb"\\", b"").replace(rb"\"", b"")
    pieces = bare.translate(None, _NOT_STRUCTURE).split(b'"', 2 * MAX_TOKENS)
    if sum(map(len, pieces[::2])) > MAX_TOKENS:
        raise UnreadableAnswer("RunComfy's answer has too many parts.")
    del bare, pieces
    text = raw.decode("utf-8-sig", "replace")
    raw.clear()
    return _load(text)


def _load(text: str) -> Any:
    try:
        return json.loads(text, parse_int=lambda n: int(n) if len(n) < _MAX_DIGITS else float(n))
    except ValueError:
        return None
    except RecursionError:
        # An id that may be paid for is not lost.
        return _load(_without_depths(text))


def _without_depths(text: str) -> str:
    """Return JSON text with null in place of what is nested deeper than is ever read."""
    kept: list[str] = []
    depth = start = 0
    for part in _NESTING.finditer(text):
        if part[0] in "[{":
            depth += 1
            if depth == _MAX_DEPTH:
                kept += text[start : part.start()], "null"
        elif part[0] in "]}":
            if depth == _MAX_DEPTH:
                start = part.end()
            depth -= 1
            if depth <= 0:
                break
    return "".join([*kept, text[start:]]) if depth < _MAX_DEPTH else ""


def redact(value: Any, secret: str, depth: int = 8) -> Any:
    """Return JSON with a secret removed from every text that may be shown; deeper texts never are.

    Ids, states and outputs stay as they are: a secret found in one by chance would lose a paid job.
    """
    match value:
        case str():
            return value.replace(secret, "[token]")
        case list() if depth:
            return [redact(part, secret, depth - 1) for part in cast("list[Any]", value)]
        case dict() if depth:
            fields = cast("dict[str, Any]", value)
            return {
                key: part if key in _NEVER_REDACTED else redact(part, secret, depth - 1)
                for key, part in fields.items()
            }
        case _:
            return None if isinstance(value, list | dict) else value
