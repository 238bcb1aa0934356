"""A stand-in for the model behind a client: it speaks four model APIs and needs no account."""
