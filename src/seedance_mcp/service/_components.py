"""The parts that a service is made of; `factory.py` puts them together."""

from dataclasses import dataclass

from seedance_mcp.clock import Clock
from seedance_mcp.inputs.preflight import Preflight
from seedance_mcp.ledger.store import Store
from seedance_mcp.spending.limits import SpendingLimits

from ._approvals import Approvals
from ._catalogue import Catalogue
from ._downloads import BackgroundDownloads
from ._following import JobFollower
from ._frames import ClipFrames
from ._joining import BackgroundJoins
from ._own_token import OwnToken
from ._posters import Posters
from ._remote import RemoteJobs
from ._schedules import Schedules
from ._spending import RecentSpending
from ._submissions import Submissions
from ._tracking import JobTracker
from ._waiting import Waiter
from .gallery import Gallery


@dataclass(frozen=True, kw_only=True, eq=False)
class Components:
    """The parts of a service.

    Attributes:
        saves_files: Whether its caller has the output folder, and so may have files saved there.
    """

    preflight: Preflight
    catalogue: Catalogue
    limits: SpendingLimits
    spending: RecentSpending
    approvals: Approvals
    store: Store
    tracker: JobTracker
    own_token: OwnToken
    submissions: Submissions
    remote: RemoteJobs
    schedules: Schedules
    waiter: Waiter
    downloads: BackgroundDownloads
    saves_files: bool
    frames: ClipFrames
    posters: Posters
    joins: BackgroundJoins
    gallery: Gallery
    follower: JobFollower
    clock: Clock
