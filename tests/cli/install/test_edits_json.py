import pytest

from seedance_mcp.cli.install.edits import with_value, without_value

KEYS = ("mcpServers", "seedance")
ENTRY = {"command": "/usr/bin/uvx", "args": ["seedance-mcp"]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\ufeff",
        "// x",
        "{}",
        "{\n}",
        '{"mcpServers": {}}',
        '{"mcpServers":{"a":{}}}',
        '{ "mcpServers": { "a": {} } }',
        '{\r\n    "mcpServers": {\r\n        // here\r\n    }\r\n}',
        '{"a": 1 // c\n}',
        '{\n  "inputs": [1],\n  "x": 2 // hm\n  }\n',
        '{"mcpServers": {"seedance": {"a": 1 /* x */}}}',
        '{\n\t"mcpServers": {\n\t\t"b": {"x": 1}, // two\n\t\t// three\n\t},\n}\n',
    ],
)
def test_taking_an_entry_out_leaves_every_byte_as_it_was(text: str) -> None:
    edited = with_value(text.encode(), "json", KEYS, ENTRY)
    assert without_value(edited.data, "json", KEYS, edited.undo) == text.encode()
