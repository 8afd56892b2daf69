"""`python -m tests.system.fuzz TARGET --seconds N`: a parser of the node under a fuzzer that follows coverage, or `all` of them.

`python -m tests.system.fuzz requests --requests N --seed N` puts so many requests to a served inference.

What was learnt and what was found stay under build/fuzz: the next run goes on where this one ended, and what a parser could not
take lies in build/fuzz/faults/TARGET.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import structlog

from tests.support.paths import ROOT
from tests.system.fuzz.served import flood
from tests.system.fuzz.target import Target
from tests.system.fuzz.targets import TARGETS, target_of

BUILD = ROOT / "build/fuzz"
REQUESTS = "requests"
LARGEST_INPUT = 16_384
MEGABYTES = 1_500
SLOWEST_SECONDS = 20
LAST_LINES = 60
_STATUS = re.compile(r"#(\d+)\s+\w+\s+cov: (\d+) ft: (\d+)")


def write_seeds(target: Target, folder: Path) -> int:
    """How many seeds now lie in `folder`, each under its digest."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (folder / sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return len(list(folder.iterdir()))


def _escaped(word: bytes) -> str:
    return "".join(rf"\x{byte:02x}" for byte in word)


def fuzz(name: str, seconds: int, build: Path = BUILD) -> bool:
    """Whether the target took everything that was thought of in that time; says what was done either way."""
    corpus, faults = build / "corpus" / name, build / "faults" / name
    faults.mkdir(parents=True, exist_ok=True)
    target = target_of(name)
    count = write_seeds(target, corpus)
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder, "words")
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        options = {
            "max_total_time": seconds, "max_len": LARGEST_INPUT, "rss_limit_mb": MEGABYTES, "timeout": SLOWEST_SECONDS,
            "artifact_prefix": f"{faults}/", "dict": words, "print_final_stats": 0, "use_value_profile": 1,
        }  # fmt: skip
        place = Path(folder, "place")
        place.mkdir()
        command = [sys.executable, "-m", "tests.system.fuzz.guided", name, str(place), str(corpus)]
        command += [f"-{option}={value}" for option, value in options.items()]
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=os.environ | {"TMPDIR": folder}, check=False,
        )  # fmt: skip
    last = (_STATUS.findall(done.stdout) or [("0", "0", "0")])[-1]
    print("{}: {} executions, {} counters, {} features, from {} inputs".format(name, *last, count), flush=True)
    if done.returncode != 0:
        print(f"{name}: FAULT, kept in {faults}\n" + "\n".join(done.stdout.splitlines()[-LAST_LINES:]), file=sys.stderr)
    return done.returncode == 0


def put_requests(count: int, seed: int, build: Path = BUILD) -> bool:
    """Whether inference took them all; says what was done either way."""
    faults = build / "faults" / REQUESTS
    faults.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        report = flood(Path(folder), count, seed)
    for number, (request, _) in enumerate(report.seen.faults):
        (faults / f"{seed}-{number}").write_bytes(request)
    answers = ", ".join(f"{count} × {status}" for status, count in report.seen.statuses.most_common())
    print(f"{REQUESTS}: {answers}\nwarmed up: {report.warm}\nat the end: {report.done}", flush=True)
    for complaint in report.complaints():
        print(f"{REQUESTS}: FAULT, kept in {faults}: {complaint[:2_000]}", file=sys.stderr)
    return not report.complaints()


def main() -> int:
    """Exit code 1 if something was found, 2 if there is nothing to search with."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*TARGETS, "all", REQUESTS], help="what to give bytes to")
    parser.add_argument("--seconds", type=int, default=60, help="for each parser")
    parser.add_argument("--requests", type=int, default=100_000, help="how many")
    parser.add_argument("--seed", type=int, default=1, help="which requests")
    asked = parser.parse_args()
    # However it is ended, no process stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if asked.target == REQUESTS:
        return 0 if put_requests(asked.requests, asked.seed) else 1
    if find_spec("atheris") is None:
        print("error: this takes atheris, which there is for Linux on x86-64 alone", file=sys.stderr)
        return 2
    names = list(TARGETS) if asked.target == "all" else [asked.target]
    found = [name for name in names if not fuzz(name, asked.seconds)]
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
