"""Who may call over HTTP: access tokens, RunComfy tokens that callers bring, and OAuth 2.1."""
