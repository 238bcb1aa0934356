"""`seedance-mcp token new NAME`: makes an access token for a caller of a server behind a URL."""

import sys
from argparse import Namespace

from seedance_mcp.errors import ConfigurationError

from ._output import print_lines


def token(options: Namespace) -> None:
    """Add a caller to the file of access tokens, and print its token, which is shown once.

    Raises:
        ConfigurationError: The file is not named, or cannot be used, or the name is in use.
    """
    from seedance_mcp.mcp_server.auth.access_tokens import VARIABLE, add_token
    from seedance_mcp.settings import load_settings

    path = load_settings(options.environment).access_tokens
    if path is None:
        raise ConfigurationError(
            f"Set {VARIABLE} to the absolute path of the file of access tokens, for this command"
            " and for the server."
        )
    made = add_token(path, options.name)
    # stdout has the token alone, so that a script can keep it.
    sys.stderr.write(
        f"Added {options.name} to {path}. This token is shown once; to revoke it, delete the"
        " line.\n"
    )
    sys.stderr.flush()
    print_lines([made])
