"""The page of errors, from the classes and their docstrings."""

import re
from inspect import cleandoc

from seedance_mcp.errors import SeedanceError

from .error_examples import examples


def errors() -> str:
    """Return the tree of errors, and a part for each that someone can fix."""
    shown = examples()
    parts = [_part(kind, shown[kind.__name__]) for kind in _kinds() if _remedy(kind)]
    return "\n\n".join([_tree(), *parts])


def _kinds(kind: type[SeedanceError] = SeedanceError) -> list[type[SeedanceError]]:
    """Return an error and those below it, depth first."""
    return [kind, *(found for each in _below(kind) for found in _kinds(each))]


def _tree(kind: type[SeedanceError] = SeedanceError, indent: str = "") -> str:
    """Return the tree as a list whose items lead to the parts."""
    name = kind.__name__
    item = f"{indent}- [{name}](#{name.lower()})" if _remedy(kind) else f"{indent}- {name}"
    return "\n".join([item, *(_tree(each, f"{indent}  ") for each in _below(kind))])


def _below(kind: type[SeedanceError]) -> list[type[SeedanceError]]:
    """Return the errors right below one; those of other modules are left out."""
    return [each for each in kind.__subclasses__() if each.__module__ == kind.__module__]


def _part(kind: type[SeedanceError], example: SeedanceError) -> str:
    fixer, remedy = _remedy(kind) or ("", "")
    return "\n".join(
        [
            f"## {kind.__name__}",
            "",
            f"{_paragraphs(kind)[0]}",
            "",
            f"- **Who fixes it:** the {fixer}",
            f"- **How:** {remedy[:1].upper()}{remedy[1:]}.",
            f"- **Charged:** {example.charge}",
            "",
            f"> {example.message}",
        ]
    )


def _remedy(kind: type[SeedanceError]) -> tuple[str, str] | None:
    """Return who fixes an error, and how, as its nearest base says that says anything."""
    return next((found for each in kind.__mro__ if (found := _fix(each))), None)


def _fix(kind: type) -> tuple[str, str] | None:
    found = re.search(r"^Fixed by the (\w+): (.+)\.$", "\n".join(_paragraphs(kind)), re.MULTILINE)
    return (found[1], found[2]) if found else None


def _paragraphs(kind: type) -> list[str]:
    """Return the paragraphs of a docstring, each in one line."""
    return [" ".join(each.split()) for each in cleandoc(kind.__doc__ or "").split("\n\n")]
