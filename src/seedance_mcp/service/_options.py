"""What a service is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from seedance_mcp.clock import Clock
from seedance_mcp.models.model import Model
from seedance_mcp.observability.observer import Observer
from seedance_mcp.runcomfy.connections import Transport
from seedance_mcp.settings import Settings

from .reports import OnJobChange


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """What a service is made from.

    Attributes:
        models: What clips can be made with.
        known: Every model that this server knows, by id; the ledger may have jobs of them.
        transport: How HTTP requests leave; None for the network.
        local_files: Whether images may be files of this machine, or data: URIs. Only this machine's
            user may name a file.
        saves_files: Whether callers have the output folder.
        follow_jobs: Whether open jobs are followed in the background if downloads are automatic.
        window: Who acknowledges jobs: None for this process on its own, else a name that all
            servers share which the calls of one client may reach.
        on_change: Called with every job that has changed.
        observer: Is told what happens.
    """

    settings: Settings
    models: Sequence[Model]
    known: Mapping[str, Model]
    clock: Clock
    transport: Transport | None
    local_files: bool
    saves_files: bool = True
    follow_jobs: bool = False
    window: str | None = None
    on_change: OnJobChange
    observer: Observer = field(default_factory=Observer)

    @property
    def auto_download(self) -> bool:
        """Whether every clip is downloaded as soon as it is seen to be completed."""
        return self.settings.auto_download and self.saves_files
