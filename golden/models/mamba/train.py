"""Trains a small byte-level Mamba on a CPU: ``python -m qse_hw.golden.models.mamba.train --text T --valid V -o DIR
--minutes M``.

The matrices in and out of each block are trained by Muon, all else by AdamW, in bfloat16 products over float32 weights.
The learning rate follows the share of the budget that is spent (time or steps), so that its decay ends with the budget
at any speed of the machine. DIR/state.pt is renewed at every validation; the same command continues from it.
"""

import argparse
import hashlib
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from qse_hw.golden.errors import InputError
from qse_hw.golden.io.files import replacing
from qse_hw.golden.models.mamba.checkpoint import fingerprint, save_model
from qse_hw.golden.models.mamba.initial import initialize
from qse_hw.golden.models.mamba.mamba2 import Mamba2Config
from qse_hw.golden.models.mamba.model import Config, Mamba, MambaConfig
from qse_hw.golden.models.mamba.scan import D_STATE, FAST

WARMUP, FLAT = 0.02, 0.35  # shares of the budget: rise, then constant until FLAT, then straight down to zero


def optimizers(model: Mamba, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for in_proj and out_proj; AdamW for the rest, decaying x_proj, dt_proj and the embedding."""
    muon, decayed, free = [], [], []
    for name, p in model.named_parameters():
        if "in_proj" in name or "out_proj" in name:
            muon.append(p)
        elif p.ndim == 2 and "A_log" not in name:
            decayed.append(p)
        else:
            free.append(p)
    adam = [{"params": decayed, "weight_decay": 0.1}, {"params": free, "weight_decay": 0.0}]
    return [
        torch.optim.Muon(muon, lr=rate, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(adam, lr=rate, betas=(0.9, 0.95), fused=True),
    ]


def rate_at(share: float) -> float:
    """The learning rate's factor when ``share`` of the budget is spent."""
    if share < WARMUP:
        return max(share / WARMUP, 0.01)
    return min(1.0, max(0.0, (1 - share) / (1 - FLAT)))


def batch_at(data: Tensor, step: int, *, batch: int, length: int, seed: int) -> Tensor:
    """The (batch, length + 1) bytes of one step: every epoch walks all windows once, shuffled, from a random offset."""
    per_epoch = ((len(data) - 1) // length - 1) // batch
    epoch, position = divmod(step, per_epoch)
    draw = np.random.default_rng((seed, epoch))
    offset = int(draw.integers(length))
    starts = draw.permutation(per_epoch * batch)[position * batch : (position + 1) * batch] * length + offset
    return torch.stack([data[s : s + length + 1] for s in starts]).long()


@torch.inference_mode()
def bits_per_byte(model: Mamba, data: Tensor, *, window: int = 2048, stride: int = 1024, batch: int = 8) -> float:
    """Mean -log2 p of every byte but the first, each seen with at least ``window - stride`` bytes of context."""
    bits, scored = 0.0, 1  # bytes before `scored` are done
    starts = range(0, max(1, len(data) - window + stride), stride)
    full = [s for s in starts if s + window <= len(data)]
    groups = [full[i : i + batch] for i in range(0, len(full), batch)] + [[s] for s in starts if s + window > len(data)]
    for group in groups:
        ids = torch.stack([data[s : s + window] for s in group]).long()
        logits = model(ids[:, :-1])
        losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none").view(len(group), -1)
        for s, loss in zip(group, losses, strict=True):
            bits += loss[scored - s - 1 :].double().sum().item() / math.log(2)
            scored = s + 1 + len(loss)
    return bits / (len(data) - 1)


def read_bytes(path: Path, least: int) -> Tensor:
    """A file as uint8 (bytes)."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InputError(f"Text {path} cannot be read: {error.strerror}") from error
    if len(raw) < least:
        raise InputError(f"Text {path} must have at least {least} bytes, not {len(raw)}")
    return torch.frombuffer(bytearray(raw), dtype=torch.uint8)


def sizes(options: argparse.Namespace) -> Config:
    """The configuration that the command line asks for."""
    if options.arch == "mamba1":
        if options.d_state not in (None, D_STATE):
            raise InputError(f"--d-state must be {D_STATE} for mamba1, as its fast scan has, not {options.d_state}")
        return MambaConfig(d_model=options.d_model, n_layer=options.layers, vocab_size=256)
    return Mamba2Config(
        d_model=options.d_model,
        n_layer=options.layers,
        vocab_size=256,
        d_state=64 if options.d_state is None else options.d_state,
        headdim=options.headdim,
    )


def train(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Train, write DIR/model.safetensors, config.json and training.json; return the record."""
    config = sizes(options)
    data = read_bytes(options.text, (options.batch + 2) * options.length + 1)
    valid = read_bytes(options.valid, 2 * options.length)
    model = Mamba(config)
    model.kernels = FAST
    initialize(model, options.seed)
    steppers = optimizers(model, options.rate)
    step, spent, history = 0, 0.0, []
    state_file = options.output / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        for stepper, saved in zip(steppers, state["steppers"], strict=True):
            stepper.load_state_dict(saved)
        step, spent, history = state["step"], state["spent"], state["history"]
        console.print(f"continuing at step {step}, {spent / 60:.1f} minutes in")

    began, average = time.monotonic() - spent, None
    with Progress(console=console) as bar:
        task = bar.add_task("training", total=1.0)
        while True:
            spent = time.monotonic() - began
            share = spent / (60 * options.minutes) if options.steps is None else step / options.steps
            if share >= 1:
                break
            for stepper in steppers:
                for group in stepper.param_groups:
                    group["lr"] = options.rate * rate_at(share)
            ids = batch_at(data, step, batch=options.batch, length=options.length, seed=options.seed)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(ids[:, :-1])
            loss = F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten())
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for stepper in steppers:
                stepper.step()
                stepper.zero_grad()
            step += 1
            bits = loss.item() / math.log(2)
            average = bits if average is None else 0.98 * average + 0.02 * bits
            bar.update(task, completed=share, description=f"step {step}  {average:.3f} bits per byte")
            if step % options.every == 0:
                quick = bits_per_byte(model, valid[:65536])
                history.append([step, round(spent, 1), round(average, 4), round(quick, 4)])
                console.print(f"step {step}  {spent / 60:.1f} min  train {average:.4f}  valid (64 KiB) {quick:.4f}")
                save_model(model, options.output)
                with replacing(state_file) as part:
                    saved = [stepper.state_dict() for stepper in steppers]
                    torch.save(
                        {
                            "model": model.state_dict(),
                            "steppers": saved,
                            "step": step,
                            "spent": spent,
                            "history": history,
                        },
                        part,
                    )

    save_model(model, options.output)
    model.half().float()  # measure what was written
    record = {
        "bits_per_byte": bits_per_byte(model, valid),
        "context": "all validation bytes, at least 1024 bytes of context for each (after the first), float16 weights",
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": step,
        "tokens": step * options.batch * options.length,
        "minutes": round(spent / 60, 1),
        "batch": options.batch,
        "length": options.length,
        "rate": options.rate,
        "seed": options.seed,
        "texts": {
            kind: {"name": path.name, "bytes": len(t), "sha256": hashlib.sha256(t.numpy().tobytes()).hexdigest()}
            for kind, path, t in (("train", options.text, data), ("valid", options.valid, valid))
        },
        "fingerprint": fingerprint(model),
        "versions": {"torch": torch.__version__, "numpy": np.__version__},
        "history": {"columns": ["step", "seconds", "train (running mean)", "valid (first 64 KiB)"], "rows": history},
    }
    with replacing(options.output / "training.json") as part:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    console.print(
        f"final: {record['bits_per_byte']:.4f} bits per byte, {record['tokens']} tokens in {record['minutes']} minutes"
    )
    return record


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m qse_hw.golden.models.mamba.train", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--text", type=Path, required=True, help="training text, any bytes")
    parser.add_argument("--valid", type=Path, required=True, help="validation text, never trained on")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the checkpoint")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, default=60.0, help="budget in minutes (default: 60)")
    budget.add_argument("--steps", type=int, help="budget in steps, instead of minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--batch", type=int, default=8, help="sequences per step (default: 8)")
    parser.add_argument("--length", type=int, default=512, help="bytes per sequence (default: 512)")
    parser.add_argument("--rate", type=float, default=3e-3, help="peak learning rate (default: 0.003)")
    parser.add_argument("--arch", choices=("mamba1", "mamba2"), default="mamba1")
    parser.add_argument("--d-model", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--d-state", type=int, help="state per channel (default: 16 for mamba1, 64 for mamba2)")
    parser.add_argument("--headdim", type=int, default=64, help="channels per head of mamba2 (default: 64)")
    parser.add_argument("--every", type=int, default=200, help="steps between validations (default: 200)")
    options = parser.parse_args(arguments)
    try:
        train(options, Console())
    except InputError as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
