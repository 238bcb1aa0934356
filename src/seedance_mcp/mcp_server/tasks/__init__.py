"""The MCP Tasks extension, and jobs as its tasks."""
