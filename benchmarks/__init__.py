"""Figures, each measured side by side with what it is compared to; not tests."""
