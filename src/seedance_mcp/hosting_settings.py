"""The settings of a server behind a URL; `Settings` has them beside its own."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings

from .setting_values import check_audience, check_database, check_folder, check_issuer, lower


class HostingSettings(BaseSettings):
    """The settings of a server for several callers, or on several machines."""

    database_url: Annotated[SecretStr, BeforeValidator(check_database)] | None = Field(
        None, description="a postgresql:// URL"
    )
    access_tokens: Annotated[Path, AfterValidator(check_folder)] | None = Field(
        None, description="the absolute path of a file, in which ~ and every variable is known"
    )
    bring_your_own_token: bool = Field(default=False, description="true or false")
    auth_issuer: Annotated[str, BeforeValidator(check_issuer)] | None = Field(
        None, description="the https URL of an OAuth issuer, or an http URL of this machine"
    )
    auth_audience: Annotated[str, BeforeValidator(check_audience)] | None = Field(
        None, description="what the tokens of the issuer are for, such as this server's URL"
    )
    max_jobs_per_hour_per_caller: int | None = Field(
        None, ge=1, le=100_000, description="a whole number from 1 to 100000"
    )
    max_cost_usd_per_day_per_caller: Decimal | None = Field(
        None, gt=0, le=1_000_000, description="a number of USD over 0 and up to 1000000"
    )
    max_calls_per_minute_per_caller: int = Field(
        600, ge=1, le=1_000_000, description="a whole number from 1 to 1000000"
    )
    log_format: Annotated[Literal["text", "json"], BeforeValidator(lower)] = Field(
        "text", description="text or json"
    )

    @property
    def plain_database_url(self) -> str | None:
        """Return the URL itself, which may hold a password; None where SQLite is used."""
        return self.database_url.get_secret_value() if self.database_url else None
