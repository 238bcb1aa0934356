"""Write the entry for Docker's catalogue into `dist/docker`: `python -m packages.catalogue`.

It names the commit that is checked out, which is why it is not in the repository. The catalogue
builds the image from the `Dockerfile` of that commit.
"""

import subprocess
import sys

from ._catalogue import server_yaml, tools_json
from ._project import ROOT, SERVER, load_project
from .generate import as_json

GIT = ["git", "-C", str(ROOT)]


def main() -> None:
    """Write `server.yaml` and `tools.json`."""
    if _git("status", "--porcelain"):
        sys.exit("There are changes that no commit has, so no commit can be named. Commit first.")
    folder = ROOT / "dist" / "docker" / SERVER
    folder.mkdir(parents=True, exist_ok=True)
    entry = server_yaml(load_project(), _git("rev-parse", "HEAD"))
    (folder / "server.yaml").write_text(entry, "utf-8")
    (folder / "tools.json").write_text(as_json(tools_json()), "utf-8")
    sys.stdout.write(f"{folder.relative_to(ROOT)}\n")


def _git(*arguments: str) -> str:
    done = subprocess.run([*GIT, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
