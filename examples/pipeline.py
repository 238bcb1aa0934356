# /// script
# requires-python = ">=3.11"
# dependencies = ["mcp>=2.3,<3", "rich>=14,<16"]
# ///
"""Make clips of a folder of images and a CSV of prompts, eight at a time and without an agent.

    uv run examples/pipeline.py FOLDER prompts.csv          check all rows, and say what they cost
    uv run examples/pipeline.py FOLDER prompts.csv --yes    buy the clips, into FOLDER/clips

The columns of the CSV are arguments of `generate_video`, such as `prompt` and `duration`; `image`
is short for `first_frame_image_url`. An image is a file of FOLDER or a URL. The same row twice
makes two clips; a row whose image or prompt has changed is a new one.

After Ctrl-C, `kill -9`, a limit of the server or the end of its process, the same command goes on,
and pays for nothing twice. FOLDER/pipeline.db says which rows are bought: keep it. A job that
failed, or that may be lost, is bought again with `--again LINE` only.
"""

import os
import shlex
import shutil
import sqlite3
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from _pipeline_clip import Clip, Purchases, RowProblem
from _pipeline_journal import Journal, Row, WrongTable, read_rows
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters
from rich.progress import BarColumn, Progress, TextColumn

AT_ONCE = 8

MOST_DEATHS = 3
"""How often in a row the server may end before another clip is saved."""


@dataclass(kw_only=True)
class Pipeline:
    """All rows, and how far this run is with them.

    Attributes:
        yes: Whether clips may be bought.
        costs: By line, what clips that are not bought yet are estimated at, None where unknown.
        problems: By line, why there is no clip.
    """

    rows: Sequence[Row]
    journal: Journal
    server: StdioServerParameters
    purchases: Purchases
    yes: bool
    bars: Progress
    costs: dict[int, float | None] = field(default_factory=dict[int, float | None])
    problems: dict[int, str] = field(default_factory=dict[int, str])

    def left(self) -> list[Row]:
        """Return the rows for which this run can still do something."""
        rows: list[Row] = []
        for row in self.rows:
            entry = self.journal.find(row)
            if entry.problem:
                self.problems[row.line] = entry.problem
            if row.line not in self.problems and not Path(entry.saved_to or "/").is_file():
                rows.append(row)
        return rows

    async def run(self) -> None:
        """Make the clips; start the server again if it ends meanwhile."""
        deaths, rows = 0, self.left()
        while rows and deaths < MOST_DEATHS:
            try:
                async with Client(self.server) as client:
                    return await self.work(client, rows)
            except* MCPError:
                # The journal says how far each row is, as it does for a new run.
                before, rows = rows, self.left()
                deaths = 1 if len(rows) < len(before) else deaths + 1
        if rows:
            self.say("The server ended again and again; its last words are above.")
        return None

    async def work(self, client: Client, rows: Sequence[Row]) -> None:
        """Check what is to be bought, and say what it costs; with --yes, make all clips."""
        self.costs.clear()
        new = [row for row in rows if not self.journal.find(row).request_id]
        await self.each(new, client, self.price)
        if self.costs:
            more = " or more" if None in self.costs.values() else ""
            known = sum(cost or 0 for cost in self.costs.values())
            self.say(f"Clips to buy: {len(self.costs)}, estimated at {known:.2f} USD{more}.")
        if self.costs and not self.yes:
            self.say("Nothing was bought. The same command with --yes buys them.")
        else:
            rows = [row for row in rows if row.line not in self.problems]
            await self.each(rows, client, self.make)

    async def price(self, clip: Clip) -> None:
        """Note what a clip costs."""
        self.costs[clip.row.line] = await clip.price()

    async def make(self, clip: Clip) -> None:
        """Make a clip, and say where it is."""
        self.say(f"Line {clip.row.line}: {await clip.make()}")

    async def each(
        self, rows: Sequence[Row], client: Client, step: Callable[[Clip], Awaitable[None]]
    ) -> None:
        """Take a step for each row, eight at a time."""
        places = anyio.CapacityLimiter(AT_ONCE)
        whole = self.bars.add_task(f"{len(rows)} rows", total=len(rows))

        async def take(row: Row) -> None:
            async with places:
                with self.bar(row) as show:
                    clip = Clip(
                        row=row,
                        journal=self.journal,
                        purchases=self.purchases,
                        client=client,
                        show=show,
                    )
                    try:
                        await step(clip)
                    except RowProblem as problem:
                        self.problems[row.line] = str(problem)
                    except sqlite3.Error as error:
                        self.problems[row.line] = f"pipeline.db: {error}"
            self.bars.advance(whole)

        try:
            async with anyio.create_task_group() as tasks:
                for row in rows:
                    tasks.start_soon(take, row)
        finally:
            self.bars.remove_task(whole)

    @contextmanager
    def bar(self, row: Row) -> Generator[Callable[[str], None]]:
        """Yield what shows a message in the bar of a row, as long as there is one."""
        bar = self.bars.add_task(f"line {row.line}", total=None)

        def show(message: str) -> None:
            if bar in self.bars.task_ids:
                self.bars.update(bar, description=f"line {row.line}: {message}")

        try:
            yield show
        finally:
            self.bars.remove_task(bar)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self.bars.console.out(text, highlight=False)

    def summary(self) -> str:
        """Return how many rows have their clips, and why the others have none."""
        by_problem: dict[str, list[str]] = {}
        for line, problem in sorted(self.problems.items()):
            by_problem.setdefault(problem, []).append(str(line))
        saved = len(self.rows) - len(self.left()) - len(self.problems)
        lines = [f"Lines {', '.join(lines)}: {problem}" for problem, lines in by_problem.items()]
        return "\n".join([*lines, f"{saved} of {len(self.rows)} clips are saved."])


def main() -> None:
    """Run the pipeline, and exit with 1 unless every row has its clip."""
    parser = ArgumentParser(description="Make clips of a folder of images and a CSV of prompts.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("table", type=Path, metavar="prompts.csv")
    parser.add_argument("--yes", action="store_true", help="buy what is not bought yet")
    parser.add_argument("--again", type=int, nargs="+", default=[], metavar="LINE")
    parser.add_argument("--server", default="uvx seedance-mcp", metavar="COMMAND")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    if not folder.is_dir():
        parser.error(f"{folder} is not a folder")
    try:
        rows = read_rows(folder, options.table)
    except WrongTable as wrong:
        sys.exit(str(wrong))
    if unknown := set(options.again) - {row.line for row in rows}:
        parser.error(f"prompts.csv has no rows in these lines: {sorted(unknown)}")
    try:
        with closing(Journal(folder / "pipeline.db")) as journal:
            sys.exit(make_clips(rows, journal, folder, options))
    except sqlite3.Error as error:
        busy = " Another pipeline works on this folder." if "locked" in str(error) else ""
        sys.exit(f"{folder / 'pipeline.db'}: {error}.{busy}")


def make_clips(rows: list[Row], journal: Journal, folder: Path, options: Namespace) -> int:
    """Make the clips, say what came of it, and return the exit code."""
    command, *arguments = shlex.split(options.server)
    if not shutil.which(command):
        sys.exit(f"There is no command {command}. See --server.")
    # Only where there is a problem: the same command, once more, must not buy it once more.
    again = [row for row in rows if row.line in options.again and journal.find(row).problem]
    for row in again if options.yes else []:
        journal.forget(row)
    ours = {"SEEDANCE_OUTPUT_DIR": str(folder / "clips"), "SEEDANCE_ATTACHMENTS": "none"}
    server = StdioServerParameters(command=command, args=arguments, env={**os.environ, **ours})
    bars = Progress(BarColumn(), TextColumn("{task.description}", markup=False), transient=True)
    pipeline = Pipeline(
        rows=rows,
        journal=journal,
        server=server,
        purchases=Purchases(again={row.line for row in again}),
        yes=options.yes,
        bars=bars,
    )
    code = 0
    try:
        with bars:
            anyio.run(pipeline.run)
    except KeyboardInterrupt:
        pipeline.say("Interrupted. The same command goes on.")
        code = 130
    pipeline.say(pipeline.summary())
    return code or int(bool(pipeline.problems or pipeline.left()))


if __name__ == "__main__":
    main()
