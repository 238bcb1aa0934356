"""`python -m seedance_mcp` is the command `seedance-mcp`."""

from .cli import main

main()
