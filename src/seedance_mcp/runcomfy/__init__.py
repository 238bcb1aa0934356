"""RunComfy's Model API over HTTP.

The paid request is sent once; everything else is retried.
"""
