"""What a job made, saved as files.

Downloads are resumable and crash-safe, and take a file name that is free.
"""
