"""Where jobs are recorded before money is spent: the `Store` port, and what keeps it."""
