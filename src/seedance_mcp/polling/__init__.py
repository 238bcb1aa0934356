"""When to ask about a job again, learned from how long earlier jobs took."""
