"""Run the command `seedance-mcp` as `python -m seedance_mcp`."""

from seedance_mcp.cli.main import main

main()
