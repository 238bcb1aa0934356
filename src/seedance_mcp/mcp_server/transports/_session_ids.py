"""Session ids that hold their session: what a client said of itself when it initialized.

A server that keeps sessions loses them when it restarts, and no other replica knows them; many
clients do not initialize again. So the id itself is the session, signed with the state key:

    1.CONTENT.SIGNATURE   CONTENT is base64 of JSON: a nonce, the revision, the client, what it can

Nothing in it is secret, and it gives no access: each request is authenticated on its own. It counts
for whom it was made for alone.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seedance_mcp.mcp_server.apps.declared import APPS, PAGE_TYPE, declares_apps

VERSION = "1"

MOST_CHARACTERS = 3000
"""How long an id may be: nginx passes on 4 KiB of headers in an answer, unless told otherwise."""

MOST_CAPABILITIES = 1000
"""How many bytes of JSON a client's capabilities may have; of more, what counts here is kept."""

MOST_NAME = 40
"""How many characters of a client's name and version are kept, of up to 12 bytes of JSON each."""

# Other things are signed with the same key.
_PURPOSE = b"seedance-mcp session 1\n"


@dataclass(frozen=True, kw_only=True)
class ClientSession:
    """What is known of a client that has initialized.

    Attributes:
        protocol_version: The revision that was agreed on.
        client_info: Its name and version, as JSON.
        capabilities: What it can do, as JSON.
    """

    protocol_version: str
    client_info: Mapping[str, Any]
    capabilities: Mapping[str, Any]


def seal(session: ClientSession, key: bytes, *, owner: str, nonce: str) -> str:
    """Return the id of a session: at most `MOST_CHARACTERS` of visible ASCII.

    Args:
        session: The session.
        key: The key of all replicas.
        owner: Whom the session is for; part of the signature alone.
        nonce: What makes the id the only one of its kind.
    """
    info = {name: str(session.client_info.get(name))[:MOST_NAME] for name in ("name", "version")}
    kept = session.capabilities
    if len(json.dumps(kept, separators=(",", ":"))) > MOST_CAPABILITIES:
        kept = _used(kept)
    values = [nonce, session.protocol_version, info, kept]
    content = urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode()
    return f"{VERSION}.{content}.{_signature(content, key, owner)}"


def unseal(session_id: str, key: bytes, *, owner: str) -> ClientSession | None:
    """Return the session of an id, None unless the id was made with the key for the owner."""
    if len(session_id) > MOST_CHARACTERS or not session_id.isascii():
        return None
    version, _, rest = session_id.partition(".")
    content, _, signature = rest.partition(".")
    if version != VERSION or not hmac.compare_digest(signature, _signature(content, key, owner)):
        return None
    # Signed, so that it has the form in which it was written.
    _, protocol_version, client_info, capabilities = json.loads(urlsafe_b64decode(content))
    return ClientSession(
        protocol_version=protocol_version, client_info=client_info, capabilities=capabilities
    )


def _used(capabilities: Mapping[str, Any]) -> dict[str, Any]:
    """Return the capabilities that this server acts on in the older era, in their shortest form.

    It shows no forms there.
    """
    if declares_apps(capabilities.get("extensions")):
        return {"extensions": {APPS: {"mimeTypes": [PAGE_TYPE]}}}
    return {}


def _signature(content: str, key: bytes, owner: str) -> str:
    # The owner comes last, since it may have any characters.
    signed = _PURPOSE + f"{content}\n{owner}".encode("utf-8", "surrogatepass")
    return hmac.new(key, signed, "sha256").hexdigest()
