"""RunComfy's Model API over HTTP: the paid request is sent once, everything else is retried."""
