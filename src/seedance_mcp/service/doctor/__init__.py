"""Checks of everything that a clip needs, none of which costs anything."""
