"""What a job made, downloaded as files.

Downloads are resumable and crash-safe, and never overwrite another file.
"""
