"""What spinning threads cost in training: milliseconds of a training step on an idle machine, and beside other work.

    python benchmarks/spinning.py --threads 2 --busy 2

Each setting of GOMP_SPINCOUNT trains minilm in a process of its own, for 15 steps of 32 texts with 16 tokens; settings take
turns. `--busy` processes that compute without end are the other work. Run it on a machine that does nothing else.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time

SETTINGS = (None, "0", "1000", "5000", "20000", "100000")
"""None is the default of GNU's OpenMP"""
STEPS = 15


def main() -> None:
    """Measure every setting, idle and busy, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--busy", type=int, default=2, help="processes beside the training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        train(options.threads)
        return
    print(f"{'GOMP_SPINCOUNT':>14}  {'idle':>8}  {'busy':>8}   milliseconds per step, {options.threads} threads")
    idle = measure(options)
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(options.busy)]
    try:
        busy = measure(options)
    finally:
        for each in others:
            each.kill()
    for setting in SETTINGS:
        print(f"{setting or 'default':>14}  {idle[setting]:8.0f}  {busy[setting]:8.0f}")


def measure(options: argparse.Namespace) -> dict[str | None, float]:
    """The median over rounds, by setting."""
    found: dict[str | None, list[float]] = {setting: [] for setting in SETTINGS}
    for _ in range(options.rounds):
        for setting in SETTINGS:
            environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
            if setting is not None:
                environment["GOMP_SPINCOUNT"] = setting
            command = [sys.executable, __file__, "--child", "--threads", str(options.threads)]
            said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
            found[setting].append(float(said))
    return {setting: statistics.median(each) for setting, each in found.items()}


def train(threads: int) -> None:
    """Print the milliseconds of one step. PyTorch is imported without packlight, which would set the variable."""
    import torch
    from transformers import BertConfig, BertModel

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = BertModel(
        BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    ).train()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-5)
    ids = torch.randint(1000, 20_000, (32, 16))

    def step() -> None:
        model(input_ids=ids).last_hidden_state.mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    step()
    start = time.perf_counter()
    for _ in range(STEPS):
        step()
    print(1e3 * (time.perf_counter() - start) / STEPS)


if __name__ == "__main__":
    main()
