"""Builds the pages of this folder as a site with Sphinx: `make docs`.

Whatever is wrong, such as a link to a page or a heading that does not exist, ends the build. The
site needs nothing from elsewhere: no fonts, no scripts, no counters.
"""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

project = METADATA["name"]
version = release = METADATA["version"]
project_copyright = "The seedance-mcp authors"
extensions = ["myst_parser"]
root_doc = "index"
include_patterns = ["*.md"]

html_theme = "furo"
html_title = project
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "source_repository": METADATA["urls"]["Homepage"],
    "source_branch": "main",
    "source_directory": "docs/",
}

# GitHub's anchors, so that the same links work in both places.
myst_heading_anchors = 3
myst_links_external_new_tab = False
pygments_style = "friendly"
pygments_dark_style = "native"
nitpicky = True
