"""Bodies of RunComfy's answers as JSON, bounded both when they are inflated and when parsed."""

import json
import re
import zlib
from typing import Any

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


def inflate(raw: bytes | bytearray, encoding: str, limit: int) -> bytes | bytearray:
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


def parse_json(raw: bytes | bytearray) -> Any:
    """Return a body's JSON, or None; raise `UnreadableAnswer` for more than can be held."""
    text = raw.decode(json.detect_encoding(raw), "replace")
    # Without escapes, every second piece between quotes is outside of strings.
    bare = text.encode("utf-8", "replace").replace(rb"\\", b"").replace(rb"\"", b"")
    pieces = bare.translate(None, _NOT_STRUCTURE).split(b'"', 2 * MAX_TOKENS)
    if sum(map(len, pieces[::2])) > MAX_TOKENS:
        raise UnreadableAnswer("RunComfy's answer has too many parts.")
    try:
        return json.loads(text, parse_int=lambda n: int(n) if len(n) < _MAX_DIGITS else float(n))
    except ValueError:
        return None
    except RecursionError:
        # Too deep to be read, but an id that may be paid for is not lost.
        found = re.search(r'"request_id"\s*:\s*"([^"]*)"', text)
        return {"request_id": found[1]} if found else None
