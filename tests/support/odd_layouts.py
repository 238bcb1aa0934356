"""Configurations as people and programs leave them: any spaces, comments, line ends and order."""

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

NAMES = st.sampled_from(["a", "b c", "é.ü", "//", "#", "{", "seedance", "mcpServers"])
SCALARS = st.one_of(
    st.integers(-9, 99),
    st.booleans(),
    st.sampled_from(
        ["", "x", "// no comment", "# none", '"quoted"', "}\n{", "[mcpServers.seedance]"]
    ),
)
ENTRIES = st.dictionaries(NAMES, SCALARS, max_size=2)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
SERVERS = st.dictionaries(NAMES, ENTRIES, max_size=3)
CONFIGS = st.tuples(
    st.dictionaries(NAMES, VALUES, max_size=3),
    st.none() | SERVERS,
    st.randoms(use_true_random=False),
)
"""The rest of a configuration, its servers, and what decides in which order all is."""

LINE_ENDS = st.sampled_from(["\n", "\n", "\r\n"])


def config(draw: Draw) -> dict[str, Any]:
    """Draw what a configuration holds."""
    rest, servers, random = draw(CONFIGS)
    rest.pop("mcpServers", None)
    members = [*rest.items(), *([("mcpServers", servers)] if servers is not None else [])]
    random.shuffle(members)
    return dict(members)


@st.composite
def json_texts(draw: Draw) -> str:
    """Draw a JSON text with comments and trailing commas."""
    end = draw(LINE_ENDS | st.just("\r"))
    gaps = ["", "", " ", end, f"{end}  ", f"{end}\t", f' // }} "{end}', "/* , */", f"/* a{end}*/ "]
    gap = st.sampled_from(gaps)
    style = draw(st.sampled_from(["any", "any", "indented", "minified"]))
    value = config(draw)
    if style == "minified":
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if style == "indented":
        text = json.dumps(value, indent=draw(st.sampled_from([1, 2, 4, "\t"])), ensure_ascii=False)
        return text.replace("\n", end) + draw(st.sampled_from(["", end]))
    mark = draw(st.sampled_from(["", "\ufeff"]))
    if not value and draw(st.booleans()):
        return mark + draw(gap) + draw(gap)
    return mark + draw(gap) + _json(draw, value, gap) + draw(gap)


def _json(draw: Draw, value: Any, gap: st.SearchStrategy[str]) -> str:
    def spaced(text: str) -> str:
        return draw(gap) + text + draw(gap)

    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        parts = [
            spaced(json.dumps(key)) + ":" + spaced(_json(draw, each, gap))
            for key, each in members.items()
        ]
        return "{" + _joined(draw, parts, gap) + "}"
    if isinstance(value, list):
        elements = cast("list[Any]", value)
        parts = [spaced(_json(draw, each, gap)) for each in elements]
        return "[" + _joined(draw, parts, gap) + "]"
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


def _joined(draw: Draw, parts: Sequence[str], gap: st.SearchStrategy[str]) -> str:
    """Return parts with commas between them, and perhaps after the last one."""
    if not parts:
        return draw(gap)
    return ",".join(parts) + draw(st.sampled_from(["", ","])) + draw(gap)


TOML_VALUES = st.sampled_from(
    [
        *("1", "-1.5e3", "true", '"x # y"', "'\\ # y'", '""', "''", "[]", "{}", "{ a.b = [1, 2] }"),
        *("1979-05-27 07:32:00 ", "07:32:00", '"\\u00e9\\""', "[{a='}'}, {}]"),
        *('"""\n[mcpServers.seedance]\na = 1\n"""', "'''\n[x]'''", '"""a\\""""""', "''''a'''''"),
        "[\n  1, # ]\n  # [mcpServers]\n\n  2,\n]",
    ]
)
TOML_KEYS = st.sampled_from(["a", "b-c", "'d.e'", '"f # g"', '"\\u00e9"', "1"])


@st.composite
def toml_texts(draw: Draw) -> str:
    """Draw a TOML text whose servers, if there are any, are written in any way."""
    names = draw(
        st.lists(st.sampled_from(["x", '"y z"', "seedance", "'a.b'"]), unique=True, max_size=3)
    )
    ways = ["tables", "tables", "inline", "dotted", "pairs", "pairs of dotted"]
    way = draw(st.sampled_from(ways)) if names or draw(st.booleans()) else "none"
    sections = [["[other]", *_pairs(draw)], ["[[ list ]]", *_pairs(draw)], ["[ z . 'mcpServers' ]"]]
    top = _pairs(draw)
    entries = [(name, _pairs(draw)) for name in names]
    inline = [f"{name} = {{{_one_line(pairs)}}}" for name, pairs in entries]
    if way == "tables":
        sections += [[f"[mcpServers.{name}]", *pairs] for name, pairs in entries]
        sections += [[f"[mcpServers.{name}.env]", *_pairs(draw)] for name in names[:1]]
    elif way == "inline":
        top.append(f"mcpServers = {{ {', '.join(inline)} }}")
    elif way == "dotted":
        top += [f"mcpServers . {each}" for each in inline]
    elif way == "pairs":
        sections.append(["[mcpServers]", *inline])
    elif way == "pairs of dotted":
        sections.append(
            ["[mcpServers]", *(f"{name}.{pair}" for name, pairs in entries for pair in pairs)]
        )
    kept = draw(
        st.permutations(
            [each for each in sections if "other" not in each[0] or draw(st.booleans())]
        )
    )
    return _lines(draw, [line for section in [top, *kept] for line in section])


def _pairs(draw: Draw) -> list[str]:
    keys = draw(st.lists(TOML_KEYS, unique=True, max_size=2))
    return [
        f"{key}{draw(st.sampled_from(['=', ' = ', chr(9) + '= ']))}{draw(TOML_VALUES)}"
        for key in keys
    ]


def _one_line(pairs: Sequence[str]) -> str:
    return ", ".join(pair for pair in pairs if "\n" not in pair)


def _lines(draw: Draw, lines: Sequence[str]) -> str:
    """Return lines with what may be before, beside and between them."""
    indents, ends = st.sampled_from(["", "", "  ", "\t"]), st.sampled_from(["", "", " ", " # c"])
    between = st.sampled_from(["", "", "", "\n", "# [mcpServers]\n", "  \n\n", "  # d\n\n"])
    text = "".join(
        draw(between) + draw(indents) + line + draw(ends) + "\n" for line in lines
    ) + draw(between)
    text = text.replace("\n", draw(LINE_ENDS)) if '"""' not in text else text
    return draw(st.sampled_from(["", "", "\ufeff"])) + (
        text if draw(st.booleans()) else text.rstrip("\r\n")
    )


YAML_SCALARS = st.sampled_from(
    [
        *(
            "1",
            "x",
            "true",
            "~",
            "",
            "'it''s # no'",
            '"\\u00e9 \\" #"',
            "a: b".join('""'),
            "2026-11-30",
        ),
        *(
            "[]",
            "{}",
            "[a, {b: }, # c\n 1]",
            "{a: [1], 'b': 2,}",
            "&n [1]",
            "!t x",
            "plain\n {0} words",
        ),
        *("|\n {0}text # t\n\n {0} more", ">-\n {0}folded", "&o\n {0}k: 1"),
    ]
)


@st.composite
def yaml_texts(draw: Draw) -> str:
    """Draw a YAML text whose servers, if there are any, are written in any way."""
    unit = draw(st.sampled_from([1, 2, 4]))
    names = draw(
        st.lists(
            st.sampled_from(["x", '"y z"', "seedance", "'a: b'", "1"]), unique=True, max_size=3
        )
    )
    entries = [_yaml_member(draw, name, unit, unit) for name in names]
    flows = [f"{name}: {{a: 1}}" for name in names]
    none = draw(st.sampled_from(["", " ~", " {}", " { }", " null", " &q"]))
    servers = draw(
        st.sampled_from(
            [
                "".join(["mcpServers:\n", *entries]) if names else f"mcpServers:{none}\n",
                f"mcpServers: {{{', '.join(flows)}}}\n",
                f"mcpServers: {{ # c\n {', '.join(flows)}\n }}\n",
                "",
            ]
        )
    )
    rest = [
        _yaml_member(draw, name, 0, unit)
        for name in draw(st.sets(st.sampled_from(["a", "b", "c"])))
    ]
    parts = draw(st.permutations([*rest, servers]))
    between = st.sampled_from(["", "", "\n", "# mcpServers:\n", f"{' ' * unit}# d\n", "\n  \n"])
    start = draw(st.sampled_from(["", "", "---\n", "# top\n---\n", "%YAML 1.2\n---\n"]))
    text = start + "".join(part + draw(between) for part in parts)
    text = text if draw(st.booleans()) else text.rstrip("\n")
    mark = draw(st.sampled_from(["", "", "\ufeff"]))
    return mark + text.replace("\n", draw(LINE_ENDS))


def _yaml_member(draw: Draw, key: str, indent: int, unit: int) -> str:
    """Draw a member in block style: a scalar, a sequence or a mapping."""
    spaces, comment = " " * indent, st.sampled_from(["", "", " # c", "  "])
    kind = draw(st.sampled_from(["scalar", "scalar", "mapping", "sequence"]))
    if kind == "scalar":
        value = draw(YAML_SCALARS).replace("{0}", spaces)
        plain = "\n" not in value and value[:1] not in {"", "p"}
        return f"{spaces}{key}: {value}{draw(comment) if plain else ''}\n"
    inner = spaces + draw(st.sampled_from([0, unit])) * " " + "- "
    if kind == "mapping":
        inner = spaces + unit * " "
    names = draw(st.sampled_from([["k"], ["k", "l"], ["'m n'", "<"]]))
    marks = {"mapping": [f"{name}: " for name in names], "sequence": ["" for _ in names]}[kind]
    values = ["1", "x", "'y'", "[]", "", "{a: b}", "é # c"]
    lines = [f"{inner}{each}{draw(st.sampled_from(values))}\n" for each in marks]
    return f"{spaces}{key}:{draw(comment)}\n" + "".join(
        draw(st.sampled_from(["", f"{spaces} # e\n", "\n"])) + line for line in lines
    )
