"""Interleaved rounds, medians and quartiles: the twin of src/contest.rs, with the same JSON."""

from __future__ import annotations

import asyncio
import gc
import inspect
import mmap
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

TIME = "time"
"""The figure of a pass that is only timed from outside: microseconds an operation."""

Measured = tuple[int, dict[str, float]]
Pass = Callable[[], int | Measured | Awaitable[int | Measured]]


def nothing() -> None:
    """What a contender without preparation or check does there."""


def have_memory(size: int) -> None:
    """Has so many bytes of free memory at hand, for passes that fill as much of the page cache.

    A virtual machine gives memory that was freed back to its host, and asks for each page of it
    again: whoever came first after a pause, be it a slow contender, would pay for that.
    """
    with mmap.mmap(-1, size) as memory:
        for offset in range(0, size, mmap.PAGESIZE):
            memory[offset] = 1


@dataclass
class Contender:
    name: str
    run: Pass
    prepare: Callable[[], Any]
    check: Callable[[], Any]
    rounds: int | None
    figures: dict[str, list[float]] = field(default_factory=dict)


@dataclass
class Contest:
    """Contenders for one workload.

    A pass gives a number that proves what it moved, and may give figures of its own beside it, by
    name, where its whole duration is not what is wanted. Passes may be coroutine functions.
    """

    operations: int
    proof: int
    peers: list[str] = field(default_factory=list)
    contenders: list[Contender] = field(default_factory=list)

    def enter(
        self,
        name: str,
        run: Pass,
        *,
        prepare: Callable[[], Any] = nothing,
        check: Callable[[], Any] = nothing,
        rounds: int | None = None,
    ) -> None:
        """Adds a contender; ``prepare`` and ``check`` are called around each pass, not timed.

        ``rounds`` limits the rounds of one whose passes take minutes.
        """
        if wanted(name, self.peers):
            self.contenders.append(Contender(name, run, prepare, check, rounds))

    def run(self, runner: asyncio.Runner, rounds: int) -> dict[str, dict[str, Any]]:
        """Runs a warm-up and then the rounds of all contenders in turn; the outcome per figure.

        One whose rounds are limited is not warmed up: its passes are too long to need it.
        """
        for number in range(rounds + 1):
            for one in self.contenders:
                if one.rounds is None or 0 < number <= one.rounds:
                    figures = self._pass(runner, one)
                    if number > 0:
                        for figure, value in figures.items():
                            one.figures.setdefault(figure, []).append(value)
        names = {figure: None for one in self.contenders for figure in one.figures}
        return {figure: self._outcome(figure) for figure in names}

    def _pass(self, runner: asyncio.Runner, one: Contender) -> dict[str, float]:
        one.prepare()
        gc.collect()
        start = time.perf_counter()
        result = one.run()
        if inspect.isawaitable(result):
            result = runner.run(awaited(result))
        elapsed = time.perf_counter() - start
        figures = {TIME: elapsed * 1e6 / self.operations}
        if isinstance(result, tuple):
            result, figures = result
        if result != self.proof:
            raise RuntimeError(f"{one.name} moved {result}, not {self.proof}")
        one.check()
        return figures

    def _outcome(self, figure: str) -> dict[str, Any]:
        rows = []
        for one in self.contenders:
            if values := one.figures.get(figure):
                low, median, high = quartiles(values)
                rows.append(
                    {
                        "name": one.name,
                        "median_us": median,
                        "quartiles_us": [low, high],
                        "rounds": len(values),
                    }
                )
        return {"operations": self.operations, "contenders": rows}


async def awaited(result: Awaitable[Any]) -> Any:
    """A coroutine of any awaitable, which is what a runner takes."""
    return await result


def quartiles(values: list[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile, each interpolated."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, median, high


def wanted(name: str, peers: list[str]) -> bool:
    """Whether a contender takes part: ours and the plain way always do."""
    always = ("twinfs", "plain", "real")
    return not peers or any(word in name for word in (*always, *peers))


def say(text: str) -> None:
    """Progress, on the error stream: the output is JSON."""
    print(text, file=sys.stderr, flush=True)
