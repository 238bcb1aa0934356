"""The ledger as one SQLite file in the state folder, shared by every process on the machine."""
