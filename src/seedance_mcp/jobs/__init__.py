"""What a job is: its wish, its record, its states, and `advance`, the only way it changes."""
