"""Seconds per epoch of the node's own training step, beside one sample at a time and beside the machine's matrix products.

4,950 windows of 10 bars, hidden size 115, two layers, both directions: the size of the network's guide. The yardsticks are measured
in the same run: the loop that trains on one window after another (a part of it, scaled up), and the rate at which this machine
multiplies large square matrices, which gives the time that the step's floating-point operations alone would take.

    python benchmarks/training.py
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from forecasting.models.birnn import BiRNN, BiRNNSettings
from forecasting.training.training_loop import FitSettings, Windows, make_optimiser, training_step

WINDOWS, FEATURES = 4_950, 10
NETWORK = BiRNNSettings(window=10, hidden=115, layers=2, dropout=0.1)
BATCHES = (64, 256, 1024)
LOOP_SAMPLES = 150
FASTER_THAN_THE_LOOP = 30
TIMES_THE_OPERATIONS = 2.5


def operations() -> float:
    """Floating-point operations of one epoch: two a multiplication, and twice as many backward as forward."""
    first = FEATURES * NETWORK.hidden + NETWORK.hidden**2
    later = 2 * NETWORK.hidden**2 + NETWORK.hidden**2
    a_bar = 2 * 2 * (first + (NETWORK.layers - 1) * later)
    return 3.0 * a_bar * NETWORK.window * WINDOWS


def best_of(repeats: int, run: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs, which other programs have disturbed least."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def product_rate(size: int = 1024) -> float:
    """Floating-point operations a second in products of large square matrices."""
    first, second, out = torch.randn(size, size), torch.randn(size, size), torch.empty(size, size)
    return 2 * size**3 / best_of(20, lambda: torch.mm(first, second, out=out))


def made_up_windows() -> Windows:
    return Windows(
        torch.randn(WINDOWS + NETWORK.window, FEATURES),
        torch.arange(WINDOWS) + NETWORK.window,
        torch.randn(WINDOWS),
        NETWORK.window,
    )


def seconds_per_epoch(windows: Windows, batch: int) -> float:
    """The node's own step over all windows."""
    network, settings = BiRNN(FEATURES, NETWORK), FitSettings(batch=batch)
    optimiser = make_optimiser(network, settings)
    network.train()

    def epoch() -> None:
        for index in torch.split(torch.randperm(len(windows)), batch):
            training_step(network, optimiser, *windows.batch(index), settings.max_gradient_norm)

    epoch()
    return best_of(5, epoch)


def seconds_one_at_a_time(windows: Windows) -> float:
    """An epoch of the plain loop: one window, one step."""
    network = BiRNN(FEATURES, NETWORK)
    reference = torch.nn.RNN(
        FEATURES, NETWORK.hidden, NETWORK.layers, batch_first=True, bidirectional=True, dropout=NETWORK.dropout
    )
    optimiser = torch.optim.Adam([*reference.parameters(), *network.head.parameters()])

    def step(window: Tensor, target: Tensor) -> None:
        optimiser.zero_grad()
        _, states = reference(window)
        answer = network.head(torch.cat((states[-2], states[-1]), dim=1)).squeeze(1)
        torch.nn.functional.mse_loss(answer, target).backward()
        optimiser.step()

    samples = [windows.batch(torch.tensor([index])) for index in range(LOOP_SAMPLES)]

    def loop() -> None:
        for window, target in samples:
            step(window, target)

    loop()
    return best_of(3, loop) / LOOP_SAMPLES * WINDOWS


def main() -> None:
    """Measure and print; says which goals are met, and fails on none: a busy machine is no bug."""
    torch.manual_seed(0)
    table = Table(
        title=f"{WINDOWS} windows of {NETWORK.window} bars, hidden {NETWORK.hidden}, {NETWORK.layers} layers, both directions"
    )
    for name in ("threads", "batch", "seconds per epoch", "faster than the loop", "times the operations alone"):
        table.add_column(name, justify="right")
    windows, cores = made_up_windows(), os.cpu_count() or 1
    epochs = []
    for threads in sorted({1, cores}):
        torch.set_num_threads(threads)
        loop, alone = seconds_one_at_a_time(windows), operations() / product_rate()
        table.add_row(str(threads), "one at a time", f"{loop:.2f}", "1", f"{loop / alone:.1f}")
        for batch in BATCHES:
            seconds = seconds_per_epoch(windows, batch)
            epochs.append((seconds, loop / seconds, seconds / alone))
            table.add_row(str(threads), str(batch), f"{seconds:.3f}", f"{loop / seconds:.1f}", f"{seconds / alone:.2f}")
        table.add_row(str(threads), "operations alone", f"{alone:.3f}", f"{loop / alone:.1f}", "1", end_section=True)
    console = Console()
    console.print(table)
    _, faster, times = min(epochs)
    console.print("The fastest of these epochs:")
    console.print(
        f"  faster than the loop: {faster:.1f} times, goal {FASTER_THAN_THE_LOOP}: {_verdict(faster >= FASTER_THAN_THE_LOOP)}"
    )
    console.print(
        f"  the operations alone: {times:.2f} times, goal {TIMES_THE_OPERATIONS}: {_verdict(times <= TIMES_THE_OPERATIONS)}"
    )


def _verdict(reached: bool) -> str:
    return "reached" if reached else "missed"


if __name__ == "__main__":
    main()
