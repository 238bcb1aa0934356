"""The gallery's page on a port of this machine: who may see it, what it is made of, the browser."""
