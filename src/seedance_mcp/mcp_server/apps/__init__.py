"""What hosts of MCP Apps show in the chat: a player for a clip, and a gallery of all clips."""
