"""Writes docs/benchmarks.md and its plots from the figures in docs/benchmarks.json."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workloads import WORKLOADS, Goal, Workload, duration, medians, significant

INTRODUCTION = """\
# Benchmarks

`make bench` takes these figures and writes this page; `make bench ARGS='--only rust_read'` takes
some of them anew. The contenders of one workload run in turn, round by round, in one process where
they can, after a warm-up round; a figure is the median of the rounds, the quartiles stand beside
it. The page cache is warm, and every pass is checked for the bytes that it moved. Ratios hold for
machines like this one; times do not travel. A peer is used in its own shortest way.
"""
IDLE = 0.5  # load average up to which a machine counts as idle


def write(results: dict[str, Any], page: Path) -> None:
    """Writes the page, and a plot beside it for each workload that was measured."""
    measured = [one for one in WORKLOADS if one.key in results["workloads"]]
    plots = page.parent / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    for workload in measured:
        plot(workload, results["workloads"][workload.key], plots / f"{workload.key}.svg")
    parts = [INTRODUCTION, *machine(results), *summary(results)]
    for workload in measured:
        parts += section(workload, results["workloads"][workload.key])
    page.write_text("\n".join(parts).rstrip() + "\n")


def machine(results: dict[str, Any]) -> Iterator[str]:
    facts = {**results["machine"], **results["versions"]}
    yield table(["", ""], [[name, value] for name, value in facts.items()])


def summary(results: dict[str, Any]) -> Iterator[str]:
    """Every goal, measured or not."""
    rows = []
    counts = {"met": 0, "missed": 0, "not measured": 0}
    for workload in WORKLOADS:
        outcome = results["workloads"].get(workload.key)
        for goal in workload.goals:
            value, verdict = judge(goal, outcome)
            counts[verdict] += 1
            title = f"[{workload.title}](#{anchor(workload.title)})" if outcome else workload.title
            rows.append([title, goal.contender, goal.words, value, verdict])
    yield "## Goals\n"
    yield ", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".\n"
    yield table(["workload", "contender", "goal", "measured", ""], rows)


def judge(goal: Goal, outcome: dict[str, Any] | None) -> tuple[str, str]:
    result = goal.measure(medians(outcome)) if outcome else None
    if result is None:
        return "", "not measured"
    value, met = result
    return value, "met" if met else "missed"


def section(workload: Workload, outcome: dict[str, Any]) -> Iterator[str]:
    yield f"## {workload.title}\n"
    taken = f"{outcome['date']}, commit {outcome['commit']}"
    if outcome["load"] > IDLE:
        taken += f", on a busy machine (load {outcome['load']:.1f})"
    yield f"{workload.text} Taken {taken}.\n"
    reference = medians(outcome).get(workload.reference)
    rows = []
    for row in outcome["contenders"]:
        low, high = row["quartiles_us"]
        goals = [goal for goal in workload.goals if goal.contender == row["name"]]
        verdicts = [f"{goal.words}: {judge(goal, outcome)[1]}" for goal in goals]
        rows.append(
            [
                f"**{row['name']}**" if "twinfs" in row["name"] else row["name"],
                duration(row["median_us"]),
                f"{duration(low)} .. {duration(high)}",
                f"{significant(row['median_us'] / reference)}x" if reference else "",
                str(row["rounds"]),
                "<br>".join(verdicts),
            ]
        )
    head = ["contender", f"per {workload.noun}", "quartiles", "ratio", "rounds", "goals"]
    yield table(head, rows)
    yield f"![{workload.title}](plots/{workload.key}.svg)\n"


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def anchor(title: str) -> str:
    """The fragment that GitHub and GitLab make of a heading."""
    kept = (letter for letter in title.lower() if letter.isalnum() or letter in " -_")
    return "".join(kept).replace(" ", "-")


def plot(workload: Workload, outcome: dict[str, Any], target: Path) -> None:
    """Bars with their quartiles; on a logarithmic scale, for peers are often far apart."""
    import matplotlib as mpl
    from matplotlib import pyplot

    mpl.use("svg")
    # Text stays text, and the same figures give the same file.
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "twinfs", "font.size": 9})
    rows = outcome["contenders"][::-1]
    times = [row["median_us"] for row in rows]
    spread = [
        [max(0.0, row["median_us"] - row["quartiles_us"][0]) for row in rows],
        [max(0.0, row["quartiles_us"][1] - row["median_us"]) for row in rows],
    ]
    figure, axes = pyplot.subplots(figsize=(7.5, 0.9 + 0.3 * len(rows)), layout="constrained")
    colours = ["#1f6feb" if "twinfs" in row["name"] else "#9aa4b2" for row in rows]
    error = {"elinewidth": 1, "ecolor": "#40464f"}
    bars = axes.barh(
        [row["name"] for row in rows], times, xerr=spread, color=colours, error_kw=error
    )
    axes.bar_label(bars, [f"  {duration(time)}" for time in times], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(min(times) / 3, max(times) * 4)
    axes.set_xlabel(f"microseconds per {workload.noun} (logarithmic)")
    axes.set_title(workload.title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None, "Creator": None})
    pyplot.close(figure)
