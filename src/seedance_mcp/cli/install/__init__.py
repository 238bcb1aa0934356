"""Puts the server into the configuration of a client, and takes it out again, changing no more."""
