"""The wording of answers that several test modules expect, each sentence in this place only."""

TOOLS = ["generate_video", "check_status", "get_result", "cancel_job", "list_jobs"]
"""The tools in the order in which the server lists them."""
