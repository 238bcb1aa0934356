"""The settings as flags of `install`; the parser knows them without importing the settings."""

from typing import NamedTuple


class SettingFlag(NamedTuple):
    """A flag.

    Attributes:
        flag: Its name.
        variable: The variable that it sets in the entry of a client.
        value: What its value is called; empty if it is true or false.
        does: What it sets.
    """

    flag: str
    variable: str
    value: str
    does: str


SETTING_FLAGS = (
    SettingFlag("--model", "SEEDANCE_MODEL", "MODELS", "ids or short names, such as 2.5-720p,lite"),
    SettingFlag(
        "--max-cost-per-day", "SEEDANCE_MAX_COST_USD_PER_DAY", "USD", "the most that a day may cost"
    ),
    SettingFlag(
        "--ask-above", "SEEDANCE_ASK_ABOVE_USD", "USD", "ask before a clip that costs more"
    ),
    SettingFlag("--max-jobs-per-hour", "SEEDANCE_MAX_JOBS_PER_HOUR", "N", "the most jobs an hour"),
    SettingFlag("--output-dir", "SEEDANCE_OUTPUT_DIR", "FOLDER", "where clips are saved"),
    SettingFlag("--state-dir", "SEEDANCE_STATE_DIR", "FOLDER", "where the ledger is"),
    SettingFlag("--wait-seconds", "SEEDANCE_WAIT_SECONDS", "N", "how long a call waits"),
    SettingFlag("--history-days", "SEEDANCE_HISTORY_DAYS", "N", "how long jobs are kept"),
    SettingFlag("--auto-download", "SEEDANCE_AUTO_DOWNLOAD", "", "save every clip once it is done"),
    SettingFlag("--local-files", "SEEDANCE_LOCAL_FILES", "", "accept local images"),
    SettingFlag("--check-images", "SEEDANCE_CHECK_IMAGES", "", "check files behind URLs"),
    SettingFlag(
        "--allow-private-urls", "SEEDANCE_ALLOW_PRIVATE_URLS", "", "allow http and private hosts"
    ),
    SettingFlag(
        "--attachments", "SEEDANCE_ATTACHMENTS", "LIST", "none, or of preview and link, with commas"
    ),
    SettingFlag(
        "--portable-schemas", "SEEDANCE_PORTABLE_SCHEMAS", "", "schemas without enums of numbers"
    ),
    SettingFlag("--log-level", "SEEDANCE_LOG_LEVEL", "LEVEL", "such as debug"),
    SettingFlag("--base-url", "RUNCOMFY_API_BASE_URL", "URL", "the Model API"),
)
"""All but those of secrets, which no argument may hold, as others can read it."""
