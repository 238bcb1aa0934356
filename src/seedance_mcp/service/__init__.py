"""What can be done with jobs, and in which order: buy, wait, read, cancel, download.

Knows nothing of MCP.
"""
