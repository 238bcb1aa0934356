"""Who may see the gallery: whoever has the key, from this machine, but no other page.

A page of the web can make a browser send requests here. It does not have the key; if it gets to
know it, the browser still says where a request comes from, and a name that was pointed at this
machine (DNS rebinding) is in `Host`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from hmac import compare_digest

from starlette.datastructures import Headers

HOSTS = ("127.0.0.1", "localhost")

HTTP_PORT = 80
"""The port that browsers leave out."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Access:
    """Who may see the gallery.

    Attributes:
        port: The port that it is served on.
        key: What its URL begins with.
    """

    port: int
    key: str

    @property
    def url(self) -> str:
        """The URL of the page."""
        return f"http://{HOSTS[0]}:{self.port}/{self.key}/"

    def path_after_key(self, path: str) -> str | None:
        """Return what follows the key in the path of a URL, None if it does not have the key."""
        key, slash, rest = path.removeprefix("/").partition("/")
        right = compare_digest(key.encode(errors="replace"), self.key.encode())
        return rest if right and slash else None

    def allows(self, headers: Headers, *, page: bool) -> bool:
        """Return whether a request is the person's, or the page's own.

        Args:
            headers: Of the request.
            page: Whether it is for the page itself, to which a file with a link may lead.
        """
        if headers.getlist("host") not in [[host] for host in self._hosts()]:
            return False
        own = f"http://{headers['host']}"
        if any(origin != own for origin in headers.getlist("origin")):
            return False
        if {*headers.getlist("sec-fetch-site")} <= {"same-origin", "none"}:
            return True
        # A link leads to the page in a tab of its own; a frame or a script does not.
        return page and _is_in_tab(headers)

    def _hosts(self) -> Collection[str]:
        named = [f"{host}:{self.port}" for host in HOSTS]
        return [*named, *HOSTS] if self.port == HTTP_PORT else named


def _is_in_tab(headers: Headers) -> bool:
    fetched = headers.getlist("sec-fetch-mode"), headers.getlist("sec-fetch-dest")
    return fetched == (["navigate"], ["document"])
