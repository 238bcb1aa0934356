"""Configurations as people have them, in the three formats; `@` is where a client's servers are."""

from collections.abc import Mapping

COMMENTED_JSON = """\
// mine
{
  /* a look */ "theme": "dark", // not light
  "@": {
    // made by hand
    "other": {
      "command": "npx",
      "args": ["-y", "other"],
    },  /* the only one */
  },

  "last": [1, 2,], // trailing
}
// the end
"""
COMMENTED_TOML = """\
# mine
theme = "dark"   # not light

[@.other]   # made by hand
command = "npx"
args = [ "-y", "other" ]   # the only one

[@.other.env]
"A B" = '''
[@.seedance-not]
'''

[last]   # trailing
list = [
  1, # one
  2,
]
"""
COMMENTED_YAML = """\
# mine
theme: dark   # not light
@:
  # made by hand
  other:
      cmd: npx
      args: ["-y", "other"]   # the only one
      text: |
        seedance:
          nothing

# trailing
last:
- 1
- ~
"""

_JSON = {
    "commented": COMMENTED_JSON,
    "oddly spaced": '{"a":1 ,\n\n      "@" :{\t"other":{"command":\n"npx"}\n   }   }\n\n\n',
    "with tabs": '{\n\t"@": {\n\t\t"other": {\n\t\t\t"command": "npx"\n\t\t}\n\t}\n}\n',
    "minified": '{"a":1,"@":{"other":{"command":"npx"}},"z":[]}',
    "without a last line end": '{\n  "@": {\n    "other": {}\n  }\n}',
    "with trailing commas": '{\n  "@": {\n    "other": {},\n  },\n}\n',
    "with strings that look like more": '{"t": "\\"@\\": {}, // }", "@": {"o": {"p": "{[/*"}}}\n',
    "with an empty group": '{\n    "a": 1,\n    "@": {}\n}\n',
    "with a comment alone in its group": '{\n  "@": {\n    // none yet\n  }\n}\n',
    "without its group": '{\n  "a": 1 // one\n}\n',
    "an empty object": "{}",
    "an empty object on two lines": "{\n}\n",
    "empty": "",
    "blank": "\n\n",
}
_TOML = {
    "commented": COMMENTED_TOML,
    "oddly spaced": 'a=1\n\n\n[ @ . "other" ]\n  command   ="npx"\n\n\n\n',
    "with tabs": 'a = 1\n[@.other]\n\tcommand = "npx"\n',
    "without a last line end": '[@.other]\ncommand = "npx"',
    "with a table after it": '[@.other]\ncommand = "npx"\n\n[[z]]\nb = 1\n',
    "with an inline group": 'a = 1\n@ = { other = { command = "npx" } } # one\nb = 2\n',
    "with an empty group": "a = 1\n[@]\n\n[b]\n",
    "with dotted keys": '@.other.command = "npx" # one\nb = 2\n\n[c]\n',
    "with its group around it": '[@]\nother.command = "npx" # one\n\n[c]\n',
    "with its group in two parts": "[@.one]\na = 1\n\n[c]\n\n[@.two] # two\nb = 1\n",
    "without its group": "a = 1 # one\n",
    "with only a comment": "# none yet\n",
    "empty": "",
    "blank": "\n\n",
}
_YAML = {
    "commented": COMMENTED_YAML,
    "oddly spaced": "a:   1\n\n\n@:\n        other:\n              cmd:    npx\n\n\n",
    "without a last line end": "@:\n  other:\n    cmd: npx",
    "without a gap": "@:\n  other: {cmd: npx}\nz: 1\n",
    "with aliases": "x: &x {cmd: npx}\n@:\n  other:\n    <<: *x\n    args: []\n  more: *x\n",
    "with an empty group": "a: 1\n@: {}\n",
    "with nothing in its group": "a: 1\n@:   # none yet\nz: 1\n",
    "with null as its group": "@: ~\nz: 1\n",
    "all in one line": "{a: 1, @: {other: {cmd: npx}}, z: 1} # one\n",
    "without its group": "a: 1 # one\n",
    "with only a comment": "# none yet\n",
    "with a marker": "---\n@:\n  other:\n    cmd: npx\n",
    "empty": "",
    "blank": "\n\n",
}
_BROKEN = {
    "json": {
        "half": b'{"@": {"other": {}',
        "of another format": b"theme = 1\n",
        "a list": b"[]",
        "with a list as its group": b'{"@": []}',
        "with null as its group": b'{"a": 1, "@": null}\n',
        "with its group twice": b'{"@": {}, "@": {"other": {}}}',
        "not UTF-8": b'{"a": "\xff", "@": {}}',
        "UTF-16": '{"@": {}}'.encode("utf-16"),
    },
    "toml": {
        "half": b'[@.other]\ncommand = "npx',
        "of another format": b'{"@": {}}',
        "with a list as its group": b"@ = []\n",
        "with its group twice": b"[@]\n[@]\n",
        "not UTF-8": b'a = "\xff"\n',
    },
    "yaml": {
        "half": b'@: {other: {cmd: "npx\n',
        "with a list as its group": b"@: []\n",
        "with its group twice": b"@:\n  other: {}\n@:\n  more: {}\n",
        "not UTF-8": b"a: '\xff'\n",
    },
}
GROUPS = {
    "vscode": "servers",
    "codex": "mcp_servers",
    "zed": "context_servers",
    "goose": "extensions",
    "opencode": "mcp",
}
"""What clients call their servers, where it isn't `mcpServers`."""


def configs(form: str) -> Mapping[str, bytes]:
    """Return configurations by what is notable in them, each with `@` for the group."""
    texts = {"json": _JSON, "toml": _TOML, "yaml": _YAML}[form]
    every = {name: text.encode() for name, text in texts.items()}
    commented = every["commented"]
    return every | {
        "with CRLF": commented.replace(b"\n", b"\r\n"),
        "with a byte order mark": b"\xef\xbb\xbf" + commented,
        "with both": b"\xef\xbb\xbf" + commented.replace(b"\n", b"\r\n"),
    }


def broken_configs(form: str) -> Mapping[str, bytes]:
    """Return configurations that cannot be parsed, or hold something else than servers."""
    return _BROKEN[form]


def for_client(client: str, config: bytes) -> bytes:
    """Return a configuration with the client's name for its servers."""
    return config.replace(b"@", GROUPS.get(client, "mcpServers").encode())


def only_inserted(before: bytes, after: bytes) -> bool:
    """Return whether a text was put into another at one place, maybe after a comma of its own."""
    start, end = _same_bytes(before, after), _same_bytes(before[::-1], after[::-1])
    if after[start : start + 1] == b"," and len(before) > start + end:
        return only_inserted(before[start:], after[start + 1 :])
    return len(after) > len(before) <= start + end


def _same_bytes(one: bytes, other: bytes) -> int:
    """Return how many bytes are the same before the first that is not."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))
