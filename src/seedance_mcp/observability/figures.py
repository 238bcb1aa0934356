"""Figures for Prometheus: counts of what happens in this process, and what its ledger holds.

No label has a value from outside without a bound: no job, caller or URL is one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from seedance_mcp import __version__
from seedance_mcp.errors import ConfigurationError

from .observer import Observer

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
REQUEST_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 40.0)
LAG_SECONDS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0, 300.0, 1800.0)
"""The upper bounds of the buckets."""

_CODES = frozenset(HTTPStatus)


@dataclass(frozen=True, kw_only=True)
class LedgerFigures:
    """What a ledger holds, of all owners.

    Attributes:
        jobs: How many jobs are in each state.
        spent_usd: What those of the last 24 hours cost or are estimated to cost, as limits count.
        unpriced: How many of these are left out, since nothing is known of their cost.
    """

    jobs: Mapping[str, int]
    spent_usd: float
    unpriced: int


class Figures(Observer):
    """Figures of one process, in a registry of their own.

    Raises:
        ConfigurationError: prometheus-client is not installed.
    """

    def __init__(self) -> None:
        try:
            import prometheus_client as client
        except ImportError:
            raise ConfigurationError(
                "--metrics-port needs prometheus-client, which is not installed: pip install"
                " 'seedance-mcp[observability]'."
            ) from None
        self._registry = registry = client.CollectorRegistry()
        # What runs here: its version, CPU time, memory and open files.
        client.ProcessCollector(registry=registry)
        build = client.Info("seedance_mcp_build", "What is served.", registry=registry)
        build.info({"version": __version__})
        self._ledger = _LedgerGauges(registry)
        self._calls = client.Histogram(
            "seedance_mcp_call_duration_seconds",
            "Calls of tools, waiting for jobs included.",
            ["tool", "outcome"],
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._waits = client.Gauge(
            "seedance_mcp_waits", "Calls that wait for a job.", registry=registry
        )
        self._follow_requests(registry)

    def _follow_requests(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Counter, Histogram

        self._requests = Histogram(
            "seedance_mcp_upstream_request_duration_seconds",
            "Requests to RunComfy; without an answer, their status is none.",
            ["method", "status"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._purchases = Counter(
            "seedance_mcp_purchases", "Paid requests.", ["outcome"], registry=registry
        )
        self._spent = Counter(
            "seedance_mcp_spent_usd",
            "What this process has spent, as estimated when a job was bought.",
            registry=registry,
        )
        self._lag = Histogram(
            "seedance_mcp_discovery_lag_seconds",
            "From the end of a job, as RunComfy dates it, to when it was seen.",
            buckets=LAG_SECONDS,
            registry=registry,
        )

    def call_ended(self, tool: str, outcome: str, seconds: float) -> None:
        """Count a call of a tool."""
        self._calls.labels(tool, outcome).observe(seconds)

    def waits_changed(self, by: int) -> None:
        """Count the calls that wait."""
        self._waits.inc(by)

    def request_ended(self, method: str, status: int | None, seconds: float) -> None:
        """Count a request to RunComfy, which may answer with a status that does not exist."""
        known = "none" if status is None else str(status) if status in _CODES else "other"
        self._requests.labels(method, known).observe(seconds)

    def purchase_ended(self, outcome: str, microdollars: int | None) -> None:
        """Count a paid request, and what it costs unless it was refused."""
        self._purchases.labels(outcome).inc()
        if outcome != "refused":
            self._spent.inc((microdollars or 0) / 1e6)

    def end_found(self, seconds: float) -> None:
        """Count the end of a job."""
        self._lag.observe(seconds)

    def page(self, ledger: LedgerFigures | None, accept: str) -> tuple[bytes, str]:
        """Return the page for Prometheus and its media type.

        Args:
            ledger: What the ledger holds, None if it cannot be read: then the last one stays.
            accept: Which forms of the page the reader knows, as in the header.
        """
        from prometheus_client.exposition import choose_encoder

        self._ledger.set(ledger)
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type


class _LedgerGauges:
    """What the ledger held when it was last read."""

    def __init__(self, registry: "CollectorRegistry") -> None:
        from prometheus_client import Gauge

        self._up = Gauge(
            "seedance_mcp_ledger_up", "Whether the ledger can be read.", registry=registry
        )
        self._jobs = Gauge(
            "seedance_mcp_jobs", "Jobs in the ledger.", ["status"], registry=registry
        )
        self._spent = Gauge(
            "seedance_mcp_spent_last_day_usd",
            "What the jobs of the last 24 hours cost, or are estimated to, as limits count it.",
            registry=registry,
        )
        self._unpriced = Gauge(
            "seedance_mcp_unpriced_last_day_jobs",
            "Jobs of the last 24 hours whose cost is unknown.",
            registry=registry,
        )

    def set(self, ledger: LedgerFigures | None) -> None:
        """Set what is read; of a ledger that cannot be read, the last figures stay."""
        self._up.set(ledger is not None)
        if ledger is None:
            return
        for status, count in ledger.jobs.items():
            self._jobs.labels(status).set(count)
        self._spent.set(ledger.spent_usd)
        self._unpriced.set(ledger.unpriced)
