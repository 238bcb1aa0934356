"""The parts of the pages that the program writes."""

import sys
from pathlib import Path

import pytest

from docs.generate import MARKED, PARTS, generated, pages


@pytest.mark.skipif(sys.platform == "win32", reason="a message would have a path of Windows")
@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_generated_parts_of_a_page_are_as_the_program_writes_them(page: Path) -> None:
    text = page.read_text("utf-8")
    assert generated(text) == text, "run: python -m docs.generate"


def test_every_part_is_on_a_page() -> None:
    shown = [name for page in pages() for _, name, _ in MARKED.findall(page.read_text("utf-8"))]
    assert sorted(shown) == sorted(PARTS)
