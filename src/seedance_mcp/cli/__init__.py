"""The command `seedance-mcp`, one module a subcommand."""
