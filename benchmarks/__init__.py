"""Measurements, each beside what it is compared with; not tests."""
