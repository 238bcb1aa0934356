"""The image that the Dockerfile makes, built in a folder of this machine."""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.support.container import Image, build


@pytest.fixture(scope="session")
def image() -> Generator[Image, None, None]:
    """Build the image in a folder that its user can reach."""
    if os.geteuid():
        pytest.skip("only root can give a folder to the user of the image")
    root = Path(tempfile.mkdtemp(dir="/tmp"))
    root.chmod(0o755)
    try:
        path = f"{Path(sys.base_prefix) / 'bin'}:{os.environ['PATH']}"
        yield build(root, {**os.environ, "PATH": path})
    finally:
        shutil.rmtree(root)
