"""Plot delay against requests as SVG, in one panel for each kind of job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, MARGIN, COLUMNS = 300.0, 230.0, 46.0, 2
"""The size of a panel and its margin in pixels, and the panels in a row."""
MOST_LAG, MOST_SHARE = 3.0, 1.1
CAPTION = (
    "mean seconds from the end to its discovery, against requests a job",
    "as a share of those of every 2 s: fixed pauses grey, ours orange, after so many jobs",
)
STYLE = """<style>
text { font: 11px sans-serif; fill: #1f2937 }
.ground { fill: #ffffff } .goal { fill: #fef3e8 } .axes { stroke: #444444; fill: none }
path.fixed, path.ours { fill: none; stroke-opacity: 0.4 }
.fixed { fill: #8a8f98; stroke: #8a8f98 } .ours { fill: #c2410c; stroke: #c2410c }
@media (prefers-color-scheme: dark) {
text { fill: #e5e7eb }
.ground { fill: #16181d } .goal { fill: #33261a } .axes { stroke: #9ca3af }
.ours { fill: #fb923c; stroke: #fb923c }
}
</style>"""


Point = tuple[float, float]


@dataclass(frozen=True)
class Panel:
    """The results for one kind of job.

    Attributes:
        title: The kind of job.
        fixed: For each fixed pause, the requests as a share of those of polling every 2 s, and the
            mean delay in seconds.
        ours: The same for our schedule, for each number of earlier jobs.
        goal: A result should be below and to the left of this point.
    """

    title: str
    fixed: Mapping[str, Point]
    ours: Mapping[str, Point]
    goal: Point


def plot(panels: Sequence[Panel]) -> str:
    """Return the panels as an SVG document."""
    rows = -(-len(panels) // COLUMNS)
    width, height = COLUMNS * WIDTH, rows * HEIGHT + 20 * len(CAPTION)
    corners = ((n % COLUMNS * WIDTH, n // COLUMNS * HEIGHT) for n in range(len(panels)))
    drawn = [
        f'<g transform="translate({x:.0f} {y:.0f})">{_panel(panel)}</g>'
        for (x, y), panel in zip(corners, panels, strict=True)
    ]
    size = f'width="{width:.0f}" height="{height:.0f}"'
    view = f'viewBox="0 0 {width:.0f} {height:.0f}"'
    caption = (
        _text(width / 2, height - 8 - 16 * below, line, anchor="middle")
        for below, line in enumerate(reversed(CAPTION))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} {view}>',
            STYLE,
            f'<rect class="ground" {size}/>',
            *drawn,
            *caption,
            "</svg>\n",
        ]
    )


def _panel(panel: Panel) -> str:
    left, low = _place(0, 0)
    right, high = _place(MOST_SHARE, MOST_LAG)
    share, lag = _place(*panel.goal)
    shares = (0.25, 0.5, 0.75, 1.0)
    parts = [
        # The area that is at least as good as the goal.
        f'<path d="M{left:.1f} {lag:.1f}H{share:.1f}V{low:.1f}H{left:.1f}z" class="goal"/>',
        f'<path d="M{left:.1f} {high:.1f}V{low:.1f}H{right:.1f}" class="axes"/>',
        _text((left + right) / 2, high - 8, panel.title, anchor="middle"),
        *(_text(_place(at, 0)[0], low + 14, f"{at:.2f}", anchor="middle") for at in shares),
        *(_text(left - 6, _place(0, at)[1] + 4, f"{at} s", anchor="end") for at in (1, 2, 3)),
        *_line(panel.fixed, "fixed"),
        *_line(panel.ours, "ours"),
    ]
    return "".join(parts)


def _line(points: Mapping[str, Point], kind: str) -> list[str]:
    """Return a line through points, and their names; the last name is to the left of its point."""
    places = [_place(*at) for at in points.values()]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    drawn = [f'<path d="M{path}" class="{kind}"/>']
    for name, (x, y) in zip(points, places, strict=True):
        last = (x, y) == places[-1]
        drawn += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" class="{kind}"/>',
            _text(x - 6 if last else x + 6, y + 4, name, anchor="end" if last else "start"),
        ]
    return drawn


def _place(share: float, lag: float) -> tuple[float, float]:
    """Return the position of a result in its panel, in pixels."""
    width, height = WIDTH - 1.5 * MARGIN, HEIGHT - 1.6 * MARGIN
    return MARGIN + width * share / MOST_SHARE, HEIGHT - 0.8 * MARGIN - height * lag / MOST_LAG


def _text(x: float, y: float, text: str, *, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
