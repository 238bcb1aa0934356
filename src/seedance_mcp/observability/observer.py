"""What the parts of a server tell whoever counts."""


class Observer:
    """Is told what happens, and ignores it; figures are made by a subclass."""

    def call_ended(self, tool: str, outcome: str, seconds: float) -> None:
        """Note a call of a tool: "ok", "error" or "cancelled", and how long it took."""

    def waits_changed(self, by: int) -> None:
        """Note that so many more calls wait for a job, or fewer."""

    def request_ended(self, method: str, status: int | None, seconds: float) -> None:
        """Note a request to RunComfy; without a status, no answer came."""

    def purchase_ended(self, outcome: str, microdollars: int | None) -> None:
        """Note a paid request: "accepted", "unknown" or "refused", and its estimated cost."""

    def end_found(self, seconds: float) -> None:
        """Note how long after its end, as RunComfy dates that, a job was seen to have ended."""
