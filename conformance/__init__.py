"""Clients that are not ours: the official MCP conformance suite, and the MCP Inspector."""
