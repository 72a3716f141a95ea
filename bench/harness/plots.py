"""The plots of RESULTS.md. The same figures give the same file, which is text: a change can be read."""

import os

from .peers import PEERS, PEERS_DIR

COLOURS = {"burrow": "#0b6e99", "go": "#d1495b", "boehm": "#7a7a7a"}


def drawing():
    """matplotlib's Figure, or None where that is not installed."""
    # What it finds out about fonts stays with what else the benchmarks leave behind.
    os.environ.setdefault("MPLCONFIGDIR", str(PEERS_DIR / "matplotlib"))
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        return None
    matplotlib.rcParams.update(
        {
            "svg.hashsalt": "burrow",  # names of elements, which are random otherwise
            "svg.fonttype": "none",  # text as text
            "font.size": 9,
            "axes.grid": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "grid.color": "#e0e0e0",
            "path.simplify_threshold": 0.5,
        }
    )
    return Figure


def save(figure, path):
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def lines(axes, series, **style):
    """A line for each peer, in the order of PEERS; single points are marked where there are few."""
    for peer in (peer for peer in PEERS if peer in series):
        x, y = zip(*series[peer])
        marker = "o" if len(x) < 10 else None
        axes.plot(x, y, label=PEERS[peer].title, color=COLOURS[peer], marker=marker, markersize=3, **style)
    axes.legend(frameon=False)


def percentile(nines):
    return "0" if nines == 0 else f"{100 - 100 / 10**nines:.{max(0, nines - 2)}f}"


def latency_plot(figure, title, distributions):
    """Both axes logarithmic: a step to the right is a tenth of the operations before it."""
    axes = figure.add_subplot()
    rare = {peer: [(1 / (1 - share), us) for share, us in points] for peer, points in distributions.items()}
    axes.set_xscale("log")
    axes.set_yscale("log")
    lines(axes, rare, linewidth=1.2)
    most = max(points[-1][0] for points in rare.values())
    nines = [power for power in range(12) if 10**power <= most * 2]
    axes.set_xticks([10**power for power in nines], [percentile(power) for power in nines])
    axes.minorticks_off()
    axes.set_xlabel("percentile of the operations; each line ends with the longest")
    axes.set_ylabel("latency, us")
    axes.set_title(title)


def resident_plot(figure, title, resident):
    axes = figure.add_subplot()
    series = {peer: [(ms / 1e3, kib / 1024) for ms, kib in samples] for peer, samples in resident.items()}
    lines(axes, series, linewidth=1.0)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("time since the program started, s")
    axes.set_ylabel("resident memory, MiB")
    axes.set_title(title)


def write_plots(directory, runs):
    """Makes plots/*.svg in the directory, of `runs`: [(job, outcome)]. {job's name: [(what it shows, path)]}, or None
    without matplotlib."""
    figure = drawing()
    if figure is None:
        return None
    made = {}
    for job, outcome in runs:
        for kind, words, draw, series in (
            ("latency", "how long operations take", latency_plot, outcome.distributions),
            ("resident", "resident memory", resident_plot, outcome.resident),
        ):
            if series:
                path = f"plots/{kind}-{job.name}.svg"
                canvas = figure(figsize=(6.4, 3.6))
                draw(canvas, f"{job.name}: {words}", series)
                save(canvas, directory / path)
                made.setdefault(job.name, []).append((f"{job.name}: {words}", path))
    return made
