"""The settings as flags of `install`; the parser knows them without importing the settings."""

from typing import NamedTuple


class SettingFlag(NamedTuple):
    """A flag.

    Attributes:
        flag: Its name.
        variable: The variable that it sets in the entry of a client.
        value: What its value is called; empty if it is true or false.
        does: What it sets, as help and the forms of packages say it.
    """

    flag: str
    variable: str
    value: str
    does: str


SETTING_FLAGS = (
    SettingFlag(
        "--model",
        "SEEDANCE_MODEL",
        "MODELS",
        "the Seedance models to make clips with, by id or short name (lite,"
        " 2.5-720p), separated by commas",
    ),
    SettingFlag(
        "--max-cost-per-day",
        "SEEDANCE_MAX_COST_USD_PER_DAY",
        "USD",
        "the most that the clips of 24 hours may cost, in USD; left out: no limit",
    ),
    SettingFlag(
        "--ask-above",
        "SEEDANCE_ASK_ABOVE_USD",
        "USD",
        "ask before a clip is bought that costs more than this, in USD; left out: never",
    ),
    SettingFlag(
        "--max-jobs-per-hour",
        "SEEDANCE_MAX_JOBS_PER_HOUR",
        "N",
        "how many jobs may be begun within an hour, a guard against runaway agents",
    ),
    SettingFlag(
        "--output-dir",
        "SEEDANCE_OUTPUT_DIR",
        "FOLDER",
        "where clips are saved; left out: the folder seedance among your videos",
    ),
    SettingFlag(
        "--state-dir",
        "SEEDANCE_STATE_DIR",
        "FOLDER",
        "where the ledger of all jobs is; left out: the platform's state folder",
    ),
    SettingFlag(
        "--wait-seconds",
        "SEEDANCE_WAIT_SECONDS",
        "N",
        "how many seconds a call waits for its clip by default",
    ),
    SettingFlag(
        "--history-days",
        "SEEDANCE_HISTORY_DAYS",
        "N",
        "how many days jobs stay in the ledger after they ended",
    ),
    SettingFlag(
        "--auto-download",
        "SEEDANCE_AUTO_DOWNLOAD",
        "",
        "save every clip as soon as it is done",
    ),
    SettingFlag(
        "--local-files",
        "SEEDANCE_LOCAL_FILES",
        "",
        "accept images of the server's machine; left out: only over stdio",
    ),
    SettingFlag(
        "--check-images",
        "SEEDANCE_CHECK_IMAGES",
        "",
        "check files behind URLs before a clip is bought",
    ),
    SettingFlag(
        "--allow-private-urls",
        "SEEDANCE_ALLOW_PRIVATE_URLS",
        "",
        "also allow URLs of files with plain http or private addresses",
    ),
    SettingFlag(
        "--attachments",
        "SEEDANCE_ATTACHMENTS",
        "LIST",
        "what is added to a result: none, or a list of preview and link, with commas",
    ),
    SettingFlag(
        "--portable-schemas",
        "SEEDANCE_PORTABLE_SCHEMAS",
        "",
        "list schemas without enums of numbers, for Gemini through LangChain",
    ),
    SettingFlag(
        "--log-level",
        "SEEDANCE_LOG_LEVEL",
        "LEVEL",
        "what is logged to stderr: debug, info, warning, error or critical",
    ),
    SettingFlag(
        "--base-url",
        "RUNCOMFY_API_BASE_URL",
        "URL",
        "the address of RunComfy's Model API",
    ),
)
"""All but those of secrets, which no argument may hold, as others can read it."""
