"""Real MCP clients, each of which takes a clip from the first call to the saved file."""
