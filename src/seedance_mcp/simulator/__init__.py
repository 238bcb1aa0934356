"""RunComfy's Model API over real HTTP, on this machine and for nothing.

`running` starts it inside a program, which may then change its behaviour and queue faults;
`serve` runs it until it is cancelled.
"""

from .behaviour import Behaviour
from .faults import Fault
from .jobs import Job
from .middleware import SeenRequest
from .server import Simulator, running, serve

__all__ = ["Behaviour", "Fault", "Job", "SeenRequest", "Simulator", "running", "serve"]
