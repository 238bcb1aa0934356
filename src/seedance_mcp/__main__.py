"""`python -m seedance_mcp` is the command `seedance-mcp`."""

from seedance_mcp.cli.main import main

main()
