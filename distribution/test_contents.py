"""What is in the wheel and in the sdist: what was committed, and nothing else."""

import re
import subprocess
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

from seedance_mcp import __version__
from seedance_mcp.models.model import load_models

from .environments import ROOT, uv

INFO = f"seedance_mcp-{__version__}.dist-info"
LARGEST_WHEEL_BYTES = 1_000_000
LARGEST_SDIST_BYTES = 3_000_000
SHIPPED = re.compile(
    r"(src|tests|examples|docs|packages|plugins|skills|\.claude-plugin|\.cursor-plugin)/"
    r"|[^/]+\.(md|json)$|LICENSE$|Makefile$"
)
"""What of the repository is in the sdist, besides what Hatch needs."""


def committed() -> set[str]:
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    return set(listed.decode().rstrip("\0").split("\0"))


def test_the_wheel_has_the_package_with_its_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    package = {path.removeprefix("src/") for path in committed() if path.startswith("src/")}
    described = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert sorted(names) == sorted(package | {f"{INFO}/{name}" for name in described})
    # As the package itself needs them, in case that they are missing in both.
    models = [name for name in names if name.startswith("seedance_mcp/models/")]
    assert sum(name.endswith(".json") for name in models) == len(load_models())
    images = [name for name in names if name.startswith("seedance_mcp/simulator/sample_images/")]
    assert len(images) == 2
    assert "seedance_mcp/py.typed" in names
    assert wheel.stat().st_size <= LARGEST_WHEEL_BYTES


def test_the_sdist_has_what_the_tests_and_the_documentation_need(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = [member.name for member in archive.getmembers()]
    shipped = {path for path in committed() if SHIPPED.match(path)}
    expected = shipped | {"PKG-INFO", "pyproject.toml", ".gitignore"}
    assert sorted(names) == sorted(f"seedance_mcp-{__version__}/{path}" for path in expected)
    assert sdist.stat().st_size <= LARGEST_SDIST_BYTES


def test_the_wheel_is_the_same_from_the_sdist_and_from_the_repository(
    wheel: Path, tmp_path: Path
) -> None:
    uv("build", "--quiet", "--wheel", "--out-dir", str(tmp_path))
    (direct,) = tmp_path.glob("*.whl")
    assert direct.name == wheel.name
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(direct) as other:
        contents = [{n: archive.read(n) for n in archive.namelist()} for archive in (one, other)]
    assert contents[0] == contents[1]


def test_the_wheel_requires_pyav_and_what_hosting_needs_only_for_extras(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = message_from_string(archive.read(f"{INFO}/METADATA").decode())
    required = metadata.get_all("Requires-Dist", [])
    optional = [each.partition("; extra == ")[::2] for each in required if "extra" in each]
    extras = [extra for name, extra in optional if name.startswith("av")]
    assert sorted(extras) == ["'preview'", "'simulator'", "'video'"]
    others = {extra for name, extra in optional if not name.startswith("av")}
    assert others == {"'observability'", "'postgres'"}
