"""RunComfy's Model API on this machine, with play money and real MP4s.

`server.running` starts it inside a program, which may then change its behaviour and queue faults;
`server.serve` runs it until it is cancelled.
"""
