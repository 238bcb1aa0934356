"""What a job is: its record, its states, and `advance`, the only way it changes."""
