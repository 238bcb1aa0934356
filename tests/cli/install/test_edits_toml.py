import tomllib

import pytest

from seedance_mcp.cli.install.edits import UneditableFile, value_at, with_value, without_value

KEYS = ("mcp_servers", "seedance")
ENTRY = {"command": "C:\\uvx", "args": ["a"], "tool_timeout_sec": 300, "env": {"A B": '"\x7f'}}
TABLE = r"""[mcp_servers.seedance]
command = "C:\\uvx"
args = ["a"]
tool_timeout_sec = 300
env = { "A B" = "\"\u007f" }
"""
INLINE = (
    r'{ command = "C:\\uvx", args = ["a"], tool_timeout_sec = 300, env = { "A B" = "\"\u007f" } }'
)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", TABLE),
        ("\n", "\n" + TABLE),
        ("# x", "# x\n\n" + TABLE[:-1]),
        ("\ufeffa=1", "\ufeffa=1\n\n" + TABLE[:-1]),
        ("a=1\n\n\n", "a=1\n\n\n" + TABLE),
        ("a=1\r\n[b]\r\n", "a=1\r\n[b]\r\n\r\n" + TABLE.replace("\n", "\r\n")),
        ("mcp_servers.x.y = 1\n", "mcp_servers.x.y = 1\n\n" + TABLE),
        ("mcp_servers = {} # c\n", f"mcp_servers = {{ seedance = {INLINE} }} # c\n"),
        ("mcp_servers = {a = {}}", f"mcp_servers = {{a = {{}}, seedance = {INLINE}}}"),
        ("mcp_servers={seedance={}, b={}}", f"mcp_servers={{seedance={INLINE}, b={{}}}}"),
        (
            '[a]\nb = """\n[mcp_servers.seedance]\n"""\nc = [\n1, # ]\n]\n  ',
            '[a]\nb = """\n[mcp_servers.seedance]\n"""\nc = [\n1, # ]\n]\n  \n\n' + TABLE[:-1],
        ),
        ("[mcp_servers.seedance]\na=1 # y\n\n# of b\n[b]\n", TABLE + "\n# of b\n[b]\n"),
        ("[mcp_servers]\nseedance.a=1\nb={}\n", f"[mcp_servers]\nseedance = {INLINE}\nb={{}}\n"),
        (
            "[mcp_servers.'seedance']\n[mcp_servers.seedance.env]\nx=1979-05-27 07:32:00 # d",
            TABLE[:-1],
        ),
    ],
)
def test_an_entry_becomes_one_table_and_leaves_no_trace(before: str, after: str) -> None:
    edited = with_value(before.encode(), "toml", KEYS, ENTRY)
    assert edited.data.decode() == after
    assert value_at(edited.data, "toml", KEYS) == ENTRY
    assert with_value(edited.data, "toml", KEYS, ENTRY).data == edited.data
    assert without_value(edited.data, "toml", KEYS, edited.undo) == before.encode()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = 1\nb = [1\n", "at its end: unclosed array"),
        ("a = 1\na = 2\n", "line 2, column 6: cannot overwrite a value"),
        ("mcp_servers = 1", '"mcp_servers" should be a table'),
        ("[[mcp_servers]]", '"mcp_servers" should be a table'),
        ("mcp_servers = { seedance.x = 1 }", "line 1, column 17: .* is written with dots here"),
        ("a = " + "[" * 2000, "it is nested too deep"),
        ("a = " + "1" * 5000, "it has a number of thousands of digits"),
        ("# " + "x" * 1_000_000, "it has more than 1,000,000 characters"),
        ("a = 1\r", "line 1, column 6: "),
        ("a = \x00", "line 1, column 5: "),
    ],
)
def test_what_cannot_be_changed_without_harm_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UneditableFile, match=f"^{problem}"):
        with_value(text.encode(), "toml", KEYS, ENTRY)


def test_an_entry_in_several_places_becomes_one() -> None:
    split = b"[mcp_servers.seedance]\na=1\n[b]\nx=1\n[mcp_servers.seedance.env]\ny=1\n[c]\n"
    edited = with_value(split, "toml", KEYS, ENTRY)
    assert edited.data.decode() == TABLE + "[b]\nx=1\n[c]\n"
    back = without_value(edited.data, "toml", KEYS, edited.undo).decode()
    assert tomllib.loads(back) == tomllib.loads(split.decode())


def test_only_the_entry_goes_when_others_wrote_around_it() -> None:
    edited = with_value(b"a = 1\n", "toml", KEYS, ENTRY)
    changed = b"# new\n" + edited.data + b"\n# of b\n[b]\nc = 2\n"
    assert without_value(changed, "toml", KEYS, edited.undo) == (
        b"# new\na = 1\n\n# of b\n[b]\nc = 2\n"
    )


@pytest.mark.parametrize(
    "before",
    [
        "a = 1\r\n[mcp_servers.seedance] # c\n",
        "[mcp_servers.seedance]\na = 1\r\n[b]\n",
        "[mcp_servers.seedance]\na = 1",
    ],
)
def test_a_table_that_was_there_comes_back_with_its_own_line_ends(before: str) -> None:
    edited = with_value(before.encode(), "toml", KEYS, ENTRY)
    assert without_value(edited.data, "toml", KEYS, edited.undo).decode() == before


@pytest.mark.parametrize(
    "text",
    [
        "[mcp_servers.seedance.env]\nx=1\n[mcp_servers]\nb=1\nseedance.a=1\n",
        "[mcp_servers]\nseedance.a=1\nb=1\n[mcp_servers.seedance.env]\n",
    ],
)
def test_an_entry_that_could_not_come_back_is_left_alone(text: str) -> None:
    with pytest.raises(UneditableFile, match="is written in several ways"):
        with_value(text.encode(), "toml", KEYS, ENTRY)
