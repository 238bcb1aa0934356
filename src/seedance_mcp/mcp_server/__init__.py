"""The MCP server: tools, tasks, resources, prompts and transports.

The only package that imports `mcp`.
"""
