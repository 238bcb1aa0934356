import pytest

from seedance_mcp.cli.install.edits import (
    Item,
    UneditableFile,
    value_at,
    with_value,
    without_value,
)

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


def test_an_entry_looks_like_its_neighbours() -> None:
    before = '{\r\n\t"mcpServers": {\r\n\t\t"b": {}, // of b\r\n\t\t// after\r\n\t},\r\n}'
    assert with_value(before.encode(), "json", KEYS, {"a": ["é"]}).data.decode() == (
        '{\r\n\t"mcpServers": {\r\n\t\t"b": {}, // of b\r\n'
        '\t\t"seedance": {\r\n\t\t\t"a": [\r\n\t\t\t\t"é"\r\n\t\t\t]\r\n\t\t},'
        "\r\n\t\t// after\r\n\t},\r\n}"
    )
    one_line = b'{"mcpServers":{"b":{}}}'
    assert with_value(one_line, "json", KEYS, {"a": 1}).data == (
        b'{"mcpServers":{"b":{},"seedance":{"a":1}}}'
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{}", '{\n  "inputs": [\n    {\n      "id": "t",\n      "x": 1\n    }\n  ]\n}'),
        ('{"inputs": [1]}', '{"inputs": [1, {"id": "t", "x": 1}]}'),
        ('{"inputs": [{"id": "u"},]}', '{"inputs": [{"id": "u"}, {"id": "t", "x": 1},]}'),
        ('{"inputs":[{"id":"t"},2]}', '{"inputs":[{"id":"t","x":1},2]}'),
    ],
)
def test_an_element_of_an_array_is_found_by_a_member(before: str, after: str) -> None:
    keys = ("inputs", Item("id", "t"))
    edited = with_value(before.encode(), "json", keys, {"id": "t", "x": 1})
    assert edited.data.decode() == after
    assert without_value(edited.data, "json", keys, edited.undo) == before.encode()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"null", "line 1, column 1: it should be an object"),
        (b"[]", "line 1, column 1: it should be an object"),
        (b'{"mcpServers": null}', 'line 1, column 16: "mcpServers" should be an object'),
        (b'{"mcpServers": []}', 'line 1, column 16: "mcpServers" should be an object'),
        (
            b'{\n"mcpServers": {},\r\n"mcpServers": {}}',
            'line 3, column 1: "mcpServers" is there twice',
        ),
        (
            b'{"mcpServers": {"seedance": 1, "seedance": 2}}',
            'line 1, column 32: "seedance" is there',
        ),
        (b'{"a": 1\r  "b": 2}', "line 2, column 3: a comma or } is missing"),
        (b'{"a": 1} x', "line 1, column 10: the file should end here"),
        (b'{"a": }', "line 1, column 7: a value is missing"),
        (b"{a: 1}", "line 1, column 2: a key in double quotes or } is missing"),
        (b"{,}", "line 1, column 2: a key in double quotes or } is missing"),
        (b'{"a" 1}', "line 1, column 6: a colon is missing"),
        (b'{"a": "b\nc"}', "line 1, column 7: this is not JSON"),
        (b'{"a": NaN}', "line 1, column 7: this is not JSON"),
        (b'{"a": 01}', "line 1, column 7: this is not JSON"),
        (b"{} /* open", "line 1, column 4: the file should end here"),
        (b"\xef\xbb\xbf{\n\x00}", "line 2, column 1: a key in double quotes or } is missing"),
        (b'{\n"a": "\xff"}', "line 2, column 7: it is not UTF-8 here"),
        ("{}".encode("utf-16"), "it is UTF-16, and would have to be UTF-8"),
        (b'{"a":' * 200, "line 1, column 506: it is nested too deep"),
        (b"[" * 9_000_000, "line 1, column 102: it is nested too deep"),
    ],
    ids=lambda each: repr(each)[:40],
)
def test_what_cannot_be_read_for_certain_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(UneditableFile) as refused:
        with_value(data, "json", KEYS, ENTRY)
    assert refused.value.message.startswith(problem)


def test_what_no_file_can_hold_is_refused() -> None:
    with pytest.raises(UneditableFile, match="characters that are not Unicode"):
        with_value(b"{}", "json", KEYS, {"command": "/x/\udcff"})


def test_odd_values_elsewhere_are_kept() -> None:
    odd = b'{"a": "\\ud800", "n": %b, "e": 1e999, "a": 2, "mcpServers": {}}' % (b"9" * 5000)
    edited = with_value(odd, "json", KEYS, ENTRY)
    assert value_at(edited.data, "json", KEYS) == ENTRY
    assert without_value(edited.data, "json", KEYS, edited.undo) == odd


def test_only_the_entry_goes_when_others_wrote_beside_it() -> None:
    edited = with_value(b'{\n  "a": 1 // one\n}\n', "json", KEYS, ENTRY)
    changed = edited.data.replace(b'"a": 1,', b'"a": 2,').replace(
        b"\n}\n", b',\n  "b": 3, "c": 4 }'
    )
    assert without_value(changed, "json", KEYS, edited.undo) == (
        b'{\n  "a": 2, // one\n  "b": 3, "c": 4 }'
    )
    comment = edited.data.replace(b'"mcpServers": {', b'"mcpServers": { // mine')
    assert without_value(comment, "json", KEYS, edited.undo) == (
        b'{\n  "a": 1, // one\n  "mcpServers": { // mine\n  }\n}\n'
    )


@pytest.mark.parametrize(
    "before",
    [
        '{\n  "a": 1 // c \n}',
        '{\n  "a": 1, // c \t\n  // d  \n}',
        "{\n  // c \n}",
        '{"mcpServers": { // c \n }}',
    ],
)
def test_spaces_at_the_end_of_a_comment_are_its_own(before: str) -> None:
    edited = with_value(before.encode(), "json", KEYS, {"a": 1})
    comment = before[before.index("//") : before.index("\n", before.index("//"))]
    assert f"{comment}\n" in edited.data.decode()
    assert without_value(edited.data, "json", KEYS, edited.undo).decode() == before
