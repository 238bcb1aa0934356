"""Checks by independent clients: the official MCP conformance suite and the MCP Inspector."""
