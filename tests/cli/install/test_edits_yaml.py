import pytest

from seedance_mcp.cli.install.edits import UneditableFile, value_at, with_value, without_value

KEYS = ("extensions", "seedance")
ENTRY = {
    "type": "stdio",
    "args": ["a", "--b"],
    "enabled": True,
    "timeout": 300,
    "envs": {"A": "no"},
}


def lines(indent: int, unit: int = 2) -> str:
    """Return the entry as it is written below a key at some indentation."""
    inner = " " * (indent + unit)
    return (
        f"{' ' * indent}seedance:\n{inner}type: stdio\n"
        f'{inner}args: ["a", "--b"]\n{inner}enabled: true\n{inner}timeout: 300\n'
        f'{inner}envs:\n{inner}{" " * unit}A: "no"\n'
    )


FLOW = (
    'seedance: {"type": "stdio", "args": ["a", "--b"], "enabled": true, "timeout": 300,'
    ' "envs": {"A": "no"}}'
)
MADE = "extensions:\n" + lines(2)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", MADE),
        ("\n", "\n" + MADE),
        ("# x", "# x\n" + MADE[:-1]),
        ("---\n# x\n", "---\n# x\n" + MADE),
        ("\ufeffa: 1", "\ufeffa: 1\n" + MADE[:-1]),
        ("a: 1\n...\n", f"a: 1\n{MADE}...\n"),
        ("a:\r\n  b: 1\r\n", "a:\r\n  b: 1\r\n" + MADE.replace("\n", "\r\n")),
        ("extensions:\n", MADE),
        ("extensions: ~ # c\na: 1", f"extensions: # c\n{lines(2)}a: 1"),
        ("extensions: {}\n", MADE),
        ("{}", f"{{extensions: {{{FLOW.replace('seedance', chr(34) + 'seedance' + chr(34))}}}}}"),
        ("extensions: {a: {}, # x\n  b: 2 }", f"extensions: {{a: {{}}, # x\n  b: 2, {FLOW} }}"),
        ("extensions: {a: 1,}", f"extensions: {{a: 1, {FLOW},}}"),
        (
            "extensions:\n    a:\n        b: 1\n        # in a\n    # after\n\n# of c\nc: 1\n",
            (
                "extensions:\n    a:\n        b: 1\n        # in a\n    # after\n"
                f"{lines(4, 4)}\n# of c\nc: 1\n"
            ),
        ),
        (
            "a: &x {b: 1}\nextensions:\n  c: *x\n",
            f"a: &x {{b: 1}}\nextensions:\n  c: *x\n{lines(2)}",
        ),
        ("x: &x {}\nextensions:\n  <<: *x", f"x: &x {{}}\nextensions:\n  <<: *x\n{lines(2)[:-1]}"),
        ("extensions:\n seedance: {a: 1}\n b: 2\n", f"extensions:\n{lines(1, 1)} b: 2\n"),
        (
            "extensions:\n  seedance:\n    a: |\n      x\n\n  b: 2\n",
            f"extensions:\n{lines(2)}\n  b: 2\n",
        ),
        (
            "a:\n- b\n- c: 1\nextensions:\n  d: 1",
            f"a:\n- b\n- c: 1\nextensions:\n  d: 1\n{lines(2)[:-1]}",
        ),
    ],
)
def test_an_entry_looks_like_its_neighbours_and_leaves_no_trace(before: str, after: str) -> None:
    edited = with_value(before.encode(), "yaml", KEYS, ENTRY)
    assert edited.data.decode() == after
    assert value_at(edited.data, "yaml", KEYS) == ENTRY
    assert with_value(edited.data, "yaml", KEYS, ENTRY).data == edited.data
    assert without_value(edited.data, "yaml", KEYS, edited.undo) == before.encode()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "line 1, column 5: expected the node content"),
        ("a:\n\tb: 1", "line 2, column 1: found character"),
        ("a: 1\n---\nb: 1", "line 2, column 1: but found another document"),
        ("- a", "line 1, column 1: it should be a mapping"),
        ("extensions: 1", 'line 1, column 13: "extensions" should be a mapping'),
        ("extensions: {}\nextensions:\n  a: 1", 'line 2, column 1: "extensions" is there twice'),
        ("extensions: &x {a: 1}\nb: *x", "line 1, column 13: .* also used elsewhere"),
        ("b: &x\n  a: 1\nextensions: *x", "line 1, column 4: .* also used elsewhere"),
        ("extensions:\n  seedance: &x {}\n  b: *x", ".*found undefined alias"),
        ("a: |\n  the last line has no end", ".*without changing something else"),
        ("- " * 5000, "it is nested too deep"),
        ("a: \x00", "unacceptable character"),
        ("# " + "x" * 1_000_000, "it has more than 1,000,000 characters"),
    ],
)
def test_what_cannot_be_changed_without_harm_is_refused(text: str, problem: str) -> None:
    with pytest.raises(UneditableFile, match=f"^{problem}"):
        with_value(text.encode(), "yaml", KEYS, ENTRY)


def test_aliases_that_would_fill_the_memory_are_not_followed() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60))
    edited = with_value(bomb.encode(), "yaml", KEYS, ENTRY)
    assert edited.data == (bomb + MADE).encode()


def test_only_the_entry_goes_when_others_wrote_around_it() -> None:
    edited = with_value(b"a: 1\n", "yaml", KEYS, ENTRY)
    changed = b"# new\n" + edited.data + b"  other:\n    b: 1 # c\n"
    assert without_value(changed, "yaml", KEYS, edited.undo) == (
        b"# new\na: 1\nextensions:\n  other:\n    b: 1 # c\n"
    )


def test_what_only_some_take_for_a_line_end_is_escaped_and_refused() -> None:
    entry = {"cmd": "/a\u2028b", "envs": {"A\x85": "\ufeff"}}
    data = with_value(b"", "yaml", KEYS, entry).data
    assert data.isascii()
    assert value_at(data, "yaml", KEYS) == entry
    with pytest.raises(UneditableFile, match=r"^line 1, column 4: it has a character that only"):
        with_value("# t\x85b: 1\n".encode(), "yaml", KEYS, ENTRY)
