"""The files of the pages of MCP Apps, and how a page is put together from them."""

import re
from importlib.resources import files

import pytest

from seedance_mcp.mcp_server import apps
from seedance_mcp.mcp_server.apps.pages import STORAGE_ORIGIN, PageName, read_page

PAGES: tuple[PageName, ...] = ("player", "gallery")
SOURCES = ("player.html", "gallery.html", "host.js", "theme.css")
KILOBYTE = 1000
DANGEROUS = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(")


def source(name: str) -> str:
    """Return a file's text."""
    return files(apps).joinpath(name).read_text("utf-8")


def html(name: PageName) -> str:
    """Return a page."""
    return read_page(name, (STORAGE_ORIGIN,)).html


def test_both_pages_together_are_smaller_than_forty_kilobytes() -> None:
    assert sum(len(html(name).encode()) for name in PAGES) < 40 * KILOBYTE


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_all_of_its_files_but_for_space_and_comments(name: PageName) -> None:
    whole = source(f"{name}.html")
    for shared in ("host.js", "theme.css"):
        whole = whole.replace(f"/* {shared} */", source(shared))
    lines = [line for line in whole.splitlines() if not re.fullmatch(r"\s*(//.*|/\*.*\*/)", line)]
    assert "".join(html(name).split()) == "".join("".join(lines).split())


@pytest.mark.parametrize("name", SOURCES)
def test_no_comment_stands_behind_code_since_its_line_would_go_on(name: str) -> None:
    assert [line for line in source(name).splitlines() if re.search(r"\S\s+(//|/\*)", line)] == []


@pytest.mark.parametrize("name", SOURCES)
def test_no_text_in_backquotes_is_longer_than_its_line(name: str) -> None:
    assert [line for line in source(name).splitlines() if line.count("`") % 2] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_for_nothing_by_itself_and_makes_no_html_of_text(name: PageName) -> None:
    page = html(name)
    assert [word for word in DANGEROUS if word in page] == []
    assert re.findall(r"""\s(?:on\w+|style|integrity)=["']?""", page.split("<script>")[0]) == []
    assert re.findall(r"<(?:link|iframe|object|embed|base|form)\b", page) == []
    assert re.findall(r"(?:src|href)=", page.split("<script>")[0]) == []
    assert [page.count(block) for block in ("<script>", "<style>", "<script", "<style")] == [1] * 4


@pytest.mark.parametrize("name", PAGES)
def test_every_text_of_a_script_stays_as_it_is(name: PageName) -> None:
    script = source(f"{name}.html").partition("<script>")[2] + source("host.js")
    code = [line for line in script.splitlines() if not line.lstrip().startswith("//")]
    texts = [text for line in code for text in re.findall(r'"[^"]*"', line)]
    assert len(texts) > 100
    assert [text for text in texts if text not in html(name)] == []
