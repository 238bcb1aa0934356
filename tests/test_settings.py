import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from pydantic import SecretStr

from seedance_mcp.errors import ConfigurationError
from seedance_mcp.setting_values import is_loopback
from seedance_mcp.settings import TOKEN_VARIABLES, Settings, load_settings, read_settings

SECRET = "rc-secret-token-123"
KEY = "a-key-of-32-bytes-with-one-é-in-"
KEY_RULE = "a secret of at least 32 bytes, and no placeholder"
TOKEN_RULE = "a RunComfy token: printable ASCII without white space, and no placeholder"
URL_RULE = "an https URL, or an http URL of this machine"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """Return an environment with an empty home folder."""
    return {"HOME": str(tmp_path)}


def refusal(environ: dict[str, str]) -> str:
    """Return the error for an environment."""
    with pytest.raises(ConfigurationError) as refused:
        load_settings(environ)
    return refused.value.message


def token(environ: dict[str, str]) -> str | None:
    """Return the token of an environment."""
    found = load_settings(environ).token
    return found.get_secret_value() if found else None


def test_unset_variables_have_their_documented_defaults(home: dict[str, str]) -> None:
    assert load_settings(home).model_dump() == {
        "token": None,
        "base_url": "https://model-api.runcomfy.net",
        "model": "bytedance/seedance-1-0/lite/image-to-video",
        "state_dir": platformdirs.user_state_path("seedance-mcp"),
        "output_dir": platformdirs.user_videos_path() / "seedance",
        "wait_seconds": 45,
        "max_jobs_per_hour": 60,
        "max_cost_usd_per_day": None,
        "ask_above_usd": None,
        "state_key": None,
        "history_days": 90,
        "allow_private_urls": False,
        "check_images": True,
        "local_files": None,
        "auto_download": False,
        "attachments": frozenset({"preview"}),
        "portable_schemas": False,
        "log_level": "warning",
        "database_url": None,
        "access_tokens": None,
        "bring_your_own_token": False,
        "auth_issuer": None,
        "auth_audience": None,
        "max_jobs_per_hour_per_caller": None,
        "max_cost_usd_per_day_per_caller": None,
        "max_calls_per_minute_per_caller": 600,
        "log_format": "text",
    }


def test_every_variable_is_read(home: dict[str, str], tmp_path: Path) -> None:
    settings = load_settings(
        home
        | {
            "RUNCOMFY_API_TOKEN": SECRET,
            "RUNCOMFY_API_BASE_URL": "https://model-api-int.runcomfy.net/",
            "SEEDANCE_MODEL": "someone/model",
            "SEEDANCE_STATE_DIR": str(tmp_path / "state"),
            "SEEDANCE_OUTPUT_DIR": str(tmp_path / "videos"),
            "SEEDANCE_WAIT_SECONDS": "0",
            "SEEDANCE_MAX_JOBS_PER_HOUR": "1",
            "SEEDANCE_MAX_COST_USD_PER_DAY": "2.50",
            "SEEDANCE_ASK_ABOVE_USD": "0.15",
            "SEEDANCE_STATE_KEY": f" {KEY} ",
            "SEEDANCE_HISTORY_DAYS": "7",
            "SEEDANCE_CHECK_IMAGES": "false",
            "SEEDANCE_LOCAL_FILES": "true",
            "SEEDANCE_AUTO_DOWNLOAD": "true",
            "SEEDANCE_ATTACHMENTS": "link",
            "SEEDANCE_PORTABLE_SCHEMAS": "true",
            "SEEDANCE_ALLOW_PRIVATE_URLS": "true",
            "SEEDANCE_LOG_LEVEL": " DEBUG ",
            "SEEDANCE_DATABASE_URL": " postgresql://me:password@db/jobs?sslmode=require ",
            "SEEDANCE_ACCESS_TOKENS": "~/tokens",
            "SEEDANCE_BRING_YOUR_OWN_TOKEN": "true",
            "SEEDANCE_AUTH_ISSUER": "https://Issuer.example/",
            "SEEDANCE_AUTH_AUDIENCE": "https://clips.example/mcp",
            "SEEDANCE_MAX_JOBS_PER_HOUR_PER_CALLER": "2",
            "SEEDANCE_MAX_COST_USD_PER_DAY_PER_CALLER": "0.5",
            "SEEDANCE_MAX_CALLS_PER_MINUTE_PER_CALLER": "30",
            "SEEDANCE_LOG_FORMAT": "JSON",
        }
    )
    assert settings.model_dump() == {
        "token": SecretStr(SECRET),
        "base_url": "https://model-api-int.runcomfy.net",
        "model": "someone/model",
        "state_dir": tmp_path / "state",
        "output_dir": tmp_path / "videos",
        "wait_seconds": 0,
        "max_jobs_per_hour": 1,
        "max_cost_usd_per_day": Decimal("2.50"),
        "ask_above_usd": Decimal("0.15"),
        "state_key": SecretStr(KEY),
        "history_days": 7,
        "allow_private_urls": True,
        "check_images": False,
        "local_files": True,
        "auto_download": True,
        "attachments": frozenset({"link"}),
        "portable_schemas": True,
        "log_level": "debug",
        "database_url": SecretStr("postgresql://me:password@db/jobs?sslmode=require"),
        "access_tokens": Path("~/tokens").expanduser(),
        "bring_your_own_token": True,
        "auth_issuer": "https://Issuer.example/",
        "auth_audience": "https://clips.example/mcp",
        "max_jobs_per_hour_per_caller": 2,
        "max_cost_usd_per_day_per_caller": Decimal("0.5"),
        "max_calls_per_minute_per_caller": 30,
        "log_format": "json",
    }


# The last is what Claude Desktop leaves where an option of a bundle was left out.
@pytest.mark.parametrize("blank", ["", " ", "\t\n", "${user_config.any_option}"])
def test_an_empty_variable_counts_as_not_set(home: dict[str, str], blank: str) -> None:
    names = (
        *TOKEN_VARIABLES,
        *(f"SEEDANCE_{name}" for name in ("MODEL", "STATE_DIR", "OUTPUT_DIR", "WAIT_SECONDS")),
        *(f"SEEDANCE_{name}" for name in ("MAX_JOBS_PER_HOUR", "ALLOW_PRIVATE_URLS", "LOG_LEVEL")),
        "RUNCOMFY_API_BASE_URL",
    )
    assert load_settings(home | dict.fromkeys(names, blank)) == load_settings(home)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_variable_with_another_programs_name_is_not_read(home: dict[str, str], name: str) -> None:
    # Many environments set TOKEN, MODEL and LOG_LEVEL for other programs.
    assert load_settings(home | {name.upper(): "7"}) == load_settings(home)


@pytest.mark.parametrize("first", range(3))
def test_the_first_token_variable_that_is_set_wins(home: dict[str, str], first: int) -> None:
    environ = {name: f"token-{name}" for name in reversed(TOKEN_VARIABLES[first:])}
    blank = dict.fromkeys(TOKEN_VARIABLES[:first], " ")
    assert token(home | environ | blank) == f"token-{TOKEN_VARIABLES[first]}"


def write_token(folder: Path, written: Any = None) -> None:
    """Write the CLI's token file."""
    folder.mkdir(parents=True)
    text = written if isinstance(written, str) else json.dumps(written or {"access_token": SECRET})
    (folder / "token.json").write_text(text, "utf-8")


def test_the_clis_token_is_found_in_its_own_folder_then_the_config_folder_then_the_home(
    tmp_path: Path,
) -> None:
    own, config, home = tmp_path / "own", tmp_path / "config", tmp_path / "home"
    write_token(own, {"access_token": "token-own"})
    write_token(config / "runcomfy", {"access_token": "token-config"})
    write_token(home / ".config" / "runcomfy", {"access_token": " token-home\n", "extra": 1})
    environ = {"HOME": str(home)}

    assert token(environ) == "token-home"
    assert token({"USERPROFILE": str(home)}) == "token-home"
    environ["XDG_CONFIG_HOME"] = str(config)
    assert token(environ) == "token-config"
    environ["RUNCOMFY_CONFIG_DIR"] = str(own)
    assert token(environ) == "token-own"
    environ["RUNCOMFY_API_KEY"] = "token-variable"
    assert token(environ) == "token-variable"


@pytest.mark.parametrize("blank", ["", " "])
def test_an_empty_folder_variable_counts_as_not_set(tmp_path: Path, blank: str) -> None:
    write_token(tmp_path / ".config" / "runcomfy")
    environ = {"HOME": str(tmp_path), "RUNCOMFY_CONFIG_DIR": blank, "XDG_CONFIG_HOME": blank}
    assert token(environ) == SECRET


@pytest.mark.parametrize(
    "written",
    [
        *("", "{", "[]", '"token"', "null", '{"token": "x"}', "[" * 100_000),
        *('{"access_token": null}', '{"access_token": 7}', '{"access_token": ""}'),
        *('{"access_token": "a b"}', '{"access_token": "tök"}', '{"access_token": "a\\nb"}'),
    ],
)
def test_a_broken_token_file_is_ignored(tmp_path: Path, written: str) -> None:
    write_token(tmp_path / "cli", written)
    assert token({"RUNCOMFY_CONFIG_DIR": str(tmp_path / "cli")}) is None


def test_an_unreadable_token_file_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "token.json").mkdir()
    assert token({"RUNCOMFY_CONFIG_DIR": str(tmp_path)}) is None
    (tmp_path / "token.json").rmdir()
    (tmp_path / "token.json").write_bytes(b'{"access_token": "\xff"}')
    assert token({"RUNCOMFY_CONFIG_DIR": str(tmp_path)}) is None


FOLDER = "the absolute path of a folder, in which ~ and every variable is known"
LEVELS = "one of debug, info, warning, error, critical"


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        *((name, "two words", TOKEN_RULE) for name in TOKEN_VARIABLES),
        ("RUNCOMFY_API_TOKEN", "tök", TOKEN_RULE),
        ("RUNCOMFY_API_TOKEN", "a\nb", TOKEN_RULE),
        ("RUNCOMFY_API_TOKEN", "a\x7fb", TOKEN_RULE),
        ("SEEDANCE_WAIT_SECONDS", "-1", "a whole number from 0 to 900"),
        ("SEEDANCE_WAIT_SECONDS", "901", "a whole number from 0 to 900"),
        ("SEEDANCE_WAIT_SECONDS", "4.5", "a whole number from 0 to 900"),
        ("SEEDANCE_WAIT_SECONDS", "forever", "a whole number from 0 to 900"),
        ("SEEDANCE_MAX_JOBS_PER_HOUR", "0", "a whole number from 1 to 100000"),
        ("SEEDANCE_MAX_JOBS_PER_HOUR", "many", "a whole number from 1 to 100000"),
        *(
            ("SEEDANCE_MAX_COST_USD_PER_DAY", value, "a number of USD over 0 and up to 1000000")
            for value in ("0", "-1", "1,5", "5 USD", "$5", "nan", "inf", "1000000.01", "1e999999")
        ),
        *(
            ("SEEDANCE_ASK_ABOVE_USD", value, "a number of USD from 0 to 1000000")
            for value in ("-0.01", "1,5", "5 USD", "$5", "nan", "inf", "1000000.01", "always")
        ),
        *(
            ("SEEDANCE_STATE_KEY", value, KEY_RULE)
            for value in ("x" * 31, "é" * 15 + "x", "${SEEDANCE_STATE_KEY_OF_THIS_SERVER}")
        ),
        ("SEEDANCE_ALLOW_PRIVATE_URLS", "perhaps", "true or false"),
        ("SEEDANCE_PORTABLE_SCHEMAS", "gemini", "true or false"),
        ("SEEDANCE_LOG_LEVEL", "loud", LEVELS),
        *(
            ("SEEDANCE_ATTACHMENTS", value, "none, or a comma-separated list of preview and link")
            for value in ("video", "preview;link", "none,link", "preview,,link", ",", '["link"]')
        ),
        ("SEEDANCE_STATE_DIR", "~no-such-user-here/state", FOLDER),
        ("SEEDANCE_OUTPUT_DIR", "~no-such-user-here/videos", FOLDER),
        *(
            (name, folder, FOLDER)
            for name in ("SEEDANCE_STATE_DIR", "SEEDANCE_OUTPUT_DIR")
            for folder in (
                *("state", "./state", ".", "$", "${NO_SUCH}/st", "$NO_SUCH/st", "%NO_SUCH%/st"),
                *("/srv/${NO_SUCH}", "/srv/${env:HOME}/st", "/srv/$NO_SUCH", "/srv/%NO_SUCH%"),
            )
        ),
        *(
            (name, placeholder, TOKEN_RULE)
            for name in TOKEN_VARIABLES
            for placeholder in (
                *("${RUNCOMFY_API_TOKEN}", "$RUNCOMFY_API_TOKEN", "%RUNCOMFY_TOKEN%", "x${TOKEN}"),
                *("<token>", "your-runcomfy-token", "YOUR_TOKEN", "your_key", "${user.token}"),
            )
        ),
        *(
            ("RUNCOMFY_API_BASE_URL", url, URL_RULE)
            for url in (
                "model-api.runcomfy.net",
                "http://model-api.runcomfy.net",
                "ftp://model-api.runcomfy.net",
                "https://",
                "https://me:secret@model-api.runcomfy.net",
                "https://model-api.runcomfy.net?token=x",
                "https://model-api.runcomfy.net#x",
                "https://model-api.runcomfy.net?",
                "https://model-api.runcomfy.net#",
                "https://model-api.runcomfy.net:99999",
                "https://model-api .runcomfy.net",
                "https://model-api\x00.runcomfy.net",
                "https://[::1",
                "http://127.0.0.1.evil.example",
                "http://localhost.evil.example",
                "http://0.0.0.0:8000",
            )
        ),
    ],
)
def test_a_wrong_value_stops_the_start_with_one_line_that_names_the_variable(
    home: dict[str, str], variable: str, value: str, rule: str
) -> None:
    assert refusal(home | {variable: value}) == f"{variable} must be {rule}."


@pytest.mark.parametrize(
    ("given", "attachments"),
    [("none", set[str]()), (" Link , preview ", {"link", "preview"}), ("link,link", {"link"})],
)
def test_attachments_are_a_list_that_may_be_none(
    home: dict[str, str], given: str, attachments: set[str]
) -> None:
    assert load_settings(home | {"SEEDANCE_ATTACHMENTS": given}).attachments == attachments


def test_every_wrong_variable_is_named_and_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    wrong = {
        "RUNCOMFY_TOKEN": "two words",
        "RUNCOMFY_API_BASE_URL": "http://example.com",
        "SEEDANCE_STATE_DIR": "state",
        "SEEDANCE_WAIT_SECONDS": "long",
        "SEEDANCE_ATTACHMENTS": "a,b",
    }
    reading = read_settings(wrong | {"SEEDANCE_HISTORY_DAYS": "7"})
    assert {name: error.message for name, error in reading.problems.items()} == {
        "token": f"RUNCOMFY_TOKEN must be {TOKEN_RULE}.",
        "base_url": f"RUNCOMFY_API_BASE_URL must be {URL_RULE}.",
        "state_dir": f"SEEDANCE_STATE_DIR must be {FOLDER}.",
        "wait_seconds": "SEEDANCE_WAIT_SECONDS must be a whole number from 0 to 900.",
        "attachments": "SEEDANCE_ATTACHMENTS must be none, or a comma-separated list of preview and"
        " link.",
    }
    settings, default = reading.settings, load_settings({"HOME": str(tmp_path)})
    assert (settings.token, settings.base_url) == (None, default.base_url)
    assert (settings.wait_seconds, settings.history_days) == (45, 7)
    assert settings.attachments == default.attachments
    assert reading.token_source == "RUNCOMFY_TOKEN"


def test_the_settings_say_where_the_token_is_from(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    assert read_settings(environ).token_source is None
    write_token(tmp_path / ".config" / "runcomfy")
    file = tmp_path / ".config" / "runcomfy" / "token.json"
    assert read_settings(environ).token_source == file
    assert read_settings(environ | {"RUNCOMFY_API_KEY": "x"}).token_source == "RUNCOMFY_API_KEY"


def test_an_error_names_the_token_variable_that_is_set(home: dict[str, str]) -> None:
    wrong = {"RUNCOMFY_API_TOKEN": "", "RUNCOMFY_TOKEN": "a b", "RUNCOMFY_API_KEY": "c d"}
    assert refusal(home | wrong) == f"RUNCOMFY_TOKEN must be {TOKEN_RULE}."


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://example.com", "https://example.com"),
        (" https://example.com:8443// ", "https://example.com:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://EXAMPLE.com:443/", "https://example.com"),
        ("http://localhost:80", "http://localhost"),
        ("https://example.com:4430", "https://example.com:4430"),
        ("https://example.com/v1", "https://example.com"),
        ("https://example.com/v1//", "https://example.com"),
        ("https://example.com/runcomfy/v1/", "https://example.com/runcomfy"),
        ("https://example.com/v10", "https://example.com/v10"),
        ("http://localhost:8000/v1", "http://localhost:8000"),
    ],
)
def test_a_token_may_go_to_https_or_to_this_machine(
    home: dict[str, str], url: str, origin: str
) -> None:
    assert load_settings(home | {"RUNCOMFY_API_BASE_URL": url}).base_url == origin


def test_a_secret_is_never_shown(home: dict[str, str]) -> None:
    passed: dict[str, Any] = {"token": SECRET}
    for settings in (load_settings(home | {"RUNCOMFY_TOKEN": SECRET}), Settings(**passed)):
        shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
        assert SECRET not in shown

    for variable in (*TOKEN_VARIABLES, "RUNCOMFY_API_BASE_URL", "SEEDANCE_WAIT_SECONDS"):
        with pytest.raises(ConfigurationError) as refused:
            load_settings(home | {variable: f"{SECRET} tök"})
        assert SECRET not in f"{refused.value!r} {refused.value} {refused.value.line}"


def test_the_key_of_request_states_is_never_shown(home: dict[str, str]) -> None:
    settings = load_settings(home | {"SEEDANCE_STATE_KEY": KEY})
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    assert KEY not in shown
    assert KEY[:20] not in refusal(home | {"SEEDANCE_STATE_KEY": KEY[:20]})


def test_asking_may_begin_at_zero_dollars(home: dict[str, str]) -> None:
    assert load_settings(home | {"SEEDANCE_ASK_ABOVE_USD": "0"}).ask_above_usd == 0


def test_a_folder_may_begin_with_the_users_home(home: dict[str, str]) -> None:
    settings = load_settings(home | {"SEEDANCE_OUTPUT_DIR": "~/clips"})
    assert settings.output_dir == Path("~/clips").expanduser()


@pytest.mark.parametrize("folder", ["${HOME}/st", "$HOME/st", "%HOME%/st", "${HOME}/$SUB%HOME_2%"])
def test_the_variables_in_a_folder_are_expanded(tmp_path: Path, folder: str) -> None:
    environ = {"HOME": str(tmp_path), "SUB": "s", "HOME_2": "t", "SEEDANCE_STATE_DIR": folder}
    assert load_settings(environ).state_dir == tmp_path / "st"


def test_a_home_whose_name_looks_like_a_variable_is_a_home(tmp_path: Path) -> None:
    home = tmp_path / "$HOME%x%"
    environ = {"HOME": str(home), "SEEDANCE_STATE_DIR": "${HOME}/st"}
    assert load_settings(environ).state_dir == home / "st"


def test_the_folder_of_the_clis_token_is_absolute_after_expansion(
    tmp_path: Path,
) -> None:
    write_token(tmp_path / "cli")
    environ = {"HOME": str(tmp_path), "RUNCOMFY_CONFIG_DIR": "${HOME}/cli"}
    assert token(environ) == SECRET
    assert token(environ | {"RUNCOMFY_CONFIG_DIR": os.path.relpath(tmp_path / "cli")}) is None


def test_a_placeholder_in_the_clis_token_file_is_ignored(tmp_path: Path) -> None:
    write_token(tmp_path / "cli", {"access_token": "${TOKEN}"})
    assert token({"RUNCOMFY_CONFIG_DIR": str(tmp_path / "cli")}) is None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("127.0.0.1", True), ("127.255.0.1", True), ("::1", True)]
    + [(host, False) for host in (None, "", "0.0.0.0", "::", "10.0.0.1", "localhost.", "a.b")],
)
def test_only_this_machine_is_loopback(host: str | None, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback
