"""The tools, one file each: its schema beside its handler."""
