"""An MCP server that makes video clips with ByteDance Seedance on RunComfy."""

__version__ = "0.1.0"
