"""Certificates that tests make, and a host that shows one."""

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def certificate(folder: Path, name: str, *, days: int = 1, issuer: str = "") -> Path:
    """Write a certificate for a name, and its key, into one file.

    It was valid two days ago and ends in some days, which may be over. Without an issuer, which is
    unknown to all, it is signed by itself.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    signer = ec.generate_private_key(ec.SECP256R1()) if issuer else key
    subject, by = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)])
        for each in (name, issuer or name)
    )
    now = datetime.now(UTC)
    made_out = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    path = folder / "host.pem"
    pem, none = serialization.Encoding.PEM, serialization.NoEncryption()
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, none)
    path.write_bytes(secret + made_out.public_bytes(pem))
    return path


@asynccontextmanager
async def tls_host(
    path: Path, serve: Callable[[ByteStream], Awaitable[None]]
) -> AsyncGenerator[int, None]:
    """Serve connections over TLS with the certificate in a file, and yield the port."""
    shown = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    shown.load_cert_chain(path)
    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with (
        TLSListener(plain, shown, standard_compatible=False) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        yield plain.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()
