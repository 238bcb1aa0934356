"""RunComfy's Model API on this machine, with play money and real MP4s.

`server.running` starts it inside a program, which may change its behaviour and inject faults;
`server.serve` runs it until it is cancelled.
"""
