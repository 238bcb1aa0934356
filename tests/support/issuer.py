"""An OAuth issuer on a port of this machine, which signs whatever tokens a test asks for."""

import asyncio
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

AUDIENCE = "https://video.example/mcp"
"""What the tokens are for, unless a test says otherwise."""

BOTH = "seedance:read seedance:spend"
"""The scopes of a token that may do everything."""
RSA_BITS = 2048


def curve_key() -> ec.EllipticCurvePrivateKey:
    """Return a new key for ES256."""
    return ec.generate_private_key(ec.SECP256R1())


def rsa_key(bits: int = RSA_BITS) -> rsa.RSAPrivateKey:
    """Return a new key for RS256, which takes a moment."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


class Issuer:
    """An issuer.

    Attributes:
        url: Its URL, as its metadata and its tokens say it.
        metadata_path: Where its metadata is.
        audience: What its tokens are for.
        keys: Its keys by their ids; the last one signs.
        status: A status that it answers everything with; None to answer properly.
        hangs: Whether it answers nothing.
        drips: Whether it sends a blank a second, without an end.
        otherwise: What it answers at other paths, a status and a document.
        answers: What is answered at a path instead.
        grants: The scopes of the next tokens that a client gets; later ones are as asked.
        requests: The path of every request so far.
    """

    def __init__(self, origin: str) -> None:
        self.url = origin
        self.origin = origin
        self.metadata_path = "/.well-known/oauth-authorization-server"
        self.audience = AUDIENCE
        self.keys: dict[str, Key] = {"first": curve_key()}
        self.status: int | None = None
        self.hangs = False
        self.drips = False
        self.otherwise: tuple[int, Any] = (404, {})
        self.answers: dict[str, Any] = {}
        self.grants: list[str] = []
        self.requests: list[str] = []

    def token(
        self,
        *,
        key: Any = None,
        algorithm: str | None = None,
        headers: dict[str, Any] | None = None,
        expires_in: float = 3600,
        begins_in: float | None = None,
        **claims: Any,
    ) -> str:
        """Return a signed token, its times in seconds from now; a claim of None is left out."""
        kid, own = list(self.keys.items())[-1]
        valid: dict[str, Any] = {
            "iss": self.url,
            "aud": self.audience,
            "sub": "alice",
            "exp": time.time() + expires_in,
            "nbf": None if begins_in is None else time.time() + begins_in,
            "scope": BOTH,
        }
        payload = {name: value for name, value in (valid | claims).items() if value is not None}
        chosen = algorithm or ("RS256" if isinstance(own, rsa.RSAPrivateKey) else "ES256")
        # Not PyJWT's own `encode`, which checks the claims.
        return jwt.PyJWS().encode(
            json.dumps(payload).encode(),
            own if key is None else key,
            algorithm=chosen,
            headers={k: v for k, v in {"kid": kid, **(headers or {})}.items() if k != "kid" or v},
        )

    def jwks(self) -> dict[str, Any]:
        """Return its public keys."""
        return {"keys": [_jwk(kid, key) for kid, key in self.keys.items()]}

    def metadata(self) -> dict[str, Any]:
        """Return its metadata."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.origin}/authorize",
            "token_endpoint": f"{self.origin}/token",
            "jwks_uri": f"{self.origin}/keys",
            "response_types_supported": ["code"],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def answer(self, path: str, body: str) -> tuple[int, Any]:
        """Return the status and the document that a request is answered with."""
        if self.status is not None:
            return self.status, {}
        if path in self.answers:
            return 200, self.answers[path]
        if path == self.metadata_path:
            return 200, self.metadata()
        if path == "/keys":
            return 200, self.jwks()
        if path == "/token":
            asked = parse_qs(body).get("scope", [""])[0]
            scope = self.grants.pop(0) if self.grants else asked
            token = self.token(sub="a-client", client_id="a-client", scope=scope)
            said = {"token_type": "Bearer", "expires_in": 3600, "scope": scope}
            return 200, {"access_token": token, **said}
        return self.otherwise

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the one request of a connection."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [
            line.partition(":")[2]
            for line in head.splitlines()
            if line.lower().startswith("content-length:")
        ]
        body = (await reader.readexactly(int(lengths[0]))).decode() if lengths else ""
        path = head.split(" ")[1]
        self.requests.append(path)
        if self.hangs:
            await reader.read()
            writer.close()
            return
        if self.drips:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while not writer.is_closing():
                writer.write(b" ")
                await asyncio.sleep(1)
            return
        status, document = self.answer(path, body)
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        writer.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n"
            f"Content-Length: {len(data)}\r\n\r\n".encode()
            + data
        )
        await writer.drain()
        writer.close()


def _jwk(kid: str, key: Key) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        return {"kid": kid, "kty": "RSA", "n": _base64(numbers.n), "e": _base64(numbers.e)}
    point = key.public_key().public_numbers()
    place = {"x": _base64(point.x, 32), "y": _base64(point.y, 32)}
    return {"kid": kid, "kty": "EC", "crv": "P-256", "use": "sig", **place}


def _base64(number: int, length: int | None = None) -> str:
    data = number.to_bytes(length or (number.bit_length() + 7) // 8)
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@asynccontextmanager
async def run_issuer() -> AsyncGenerator[Issuer, None]:
    """Run an issuer in this event loop while the context lasts."""
    issuers: list[Issuer] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await issuers[0].serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        issuers.append(Issuer(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        yield issuers[0]
