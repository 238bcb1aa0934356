"""All figures that have an aim, measured in one run and shown as one table: `make bench`.

It takes five minutes, and exits with 1 if an aim is missed; the other figures are measured all the
same. What is compared is measured in turn, and a ratio is the median of those of neighbours, so
that the machine's speed, and what else it does, weigh on both. `--json FILE` and `--markdown FILE`
write the table too.
"""

import json
import os
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

import anyio

from . import downloading, images, schedule, startup, status, waiting
from .figures import Figure, as_json, as_markdown, as_table

NICE = 19
PARTS: dict[str, Callable[[], list[Figure]]] = {
    "startup": startup.figures,
    "status": status.figures,
    "images": lambda: anyio.run(images.figures),
    "downloading": downloading.figures,
    "waiting": waiting.figures,
}


def scheduled() -> "subprocess.Popen[str]":
    """Begin to simulate the schedule, which measures no time, beside the waiters, who idle."""
    command = [sys.executable, "-m", "benchmarks.bench", "--only-schedule"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def measured() -> list[Figure]:
    """Measure everything, one after the other."""
    found: list[Figure] = []
    for name, measure in PARTS.items():
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        process = scheduled() if name == "waiting" else None
        found += measure()
        if process:
            told, _ = process.communicate()
            found += [Figure(**each) for each in json.loads(told)]
    return found


def arguments() -> Namespace:
    """Return the command line's arguments."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--only-schedule", action="store_true", help="print its figures as JSON")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    given = arguments()
    if given.only_schedule:
        os.nice(NICE)
        print(json.dumps([vars(figure) for figure in schedule.figures()]))
        return
    found = measured()
    print(as_table(found))
    if given.json:
        given.json.write_text(as_json(found), "utf-8")
    if given.markdown:
        given.markdown.write_text(as_markdown(found), "utf-8")
    missed = [figure.name for figure in found if not figure.met]
    sys.exit(f"These aims are missed: {'; '.join(missed)}." if missed else 0)


if __name__ == "__main__":
    main()
