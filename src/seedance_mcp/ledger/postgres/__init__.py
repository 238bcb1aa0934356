"""The ledger in PostgreSQL, shared by every server process of several machines."""
