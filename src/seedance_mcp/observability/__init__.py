"""What is seen of a running server: logs, spans and figures, none of which has a secret."""
