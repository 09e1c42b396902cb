"""Measures the twinfs package beside its peers from Python and prints one JSON document.

Runs in an environment with bench/requirements-python.txt installed, and the twinfs wheel; what
cannot be imported does not take part.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import tempfile
from pathlib import Path

import python_large as large
import python_objects as objects
import python_peers as peers
import python_small as small
from python_setting import Setting
from rounds import say

WORKLOADS = {
    "concurrent": small.concurrent,
    "stall": small.stall,
    "one": small.one,
    "sync": small.sync,
    "read_many": small.read_many,
    "write": small.write,
    "overwrite": small.overwrite,
    "random": large.random_reads,
    "stream_read": large.stream_read,
    "stream_write": large.stream_write,
    "list": large.list_all,
    "start": large.start,
    "objects_1k": objects.small,
    "objects_100k": objects.medium,
    "objects_10m": objects.large,
    "objects_batch": objects.batches,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--peers", nargs="+", default=[])
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    if unknown := set(args.workloads) - set(WORKLOADS):
        parser.error(f"no such workload: {', '.join(sorted(unknown))}")

    outcomes = {}
    with contextlib.ExitStack() as stack:
        parent = os.environ.get("TWINFS_BENCH_DIR")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=parent)))
        runner = stack.enter_context(asyncio.Runner())
        setting = Setting(folder, args.peers, runner, args.quick)
        for workload in args.workloads or WORKLOADS:
            say(f"measuring python {workload}")
            outcomes |= WORKLOADS[workload](setting)
    print(json.dumps({"versions": peers.versions(), "workloads": outcomes}, indent=2))


if __name__ == "__main__":
    main()
