"""Quantize a Hugging Face Mamba in ten lines.

    python examples/quantize_transformers.py [CHECKPOINT] [--format F]

Takes a Mamba or a hybrid of ``transformers`` (a folder; none: a tiny Mamba with random weights), finds a soft-edge
format and a scale for every Mamba layer, and shows what the model loses with them, beside int8: in x itself, and in its
predictions on tokens that calibration has not seen. Nothing is downloaded.

Needs: pip install "qse-hw[model]"
"""

import argparse
import os
import sys
from pathlib import Path

import torch

import qse_hw

os.environ["HF_HUB_OFFLINE"] = "1"  # before transformers is imported
SEED, TOKENS = 7, 1024


def main() -> int:
    """Calibrate, quantize, compare."""
    parser = argparse.ArgumentParser(description="Quantize a Hugging Face Mamba.")
    parser.error = lambda message: parser.exit(2, f"error: {message}\n")
    parser.add_argument("checkpoint", nargs="?", help="folder of a Mamba (default: a tiny one with random weights)")
    parser.add_argument("--format", metavar="F", default="tuned", help="to stand beside int8 (default tuned)")
    args = parser.parse_args()
    model, ids = random_model() if args.checkpoint is None else stored_model(Path(args.checkpoint))
    calibrating, unseen = ids.chunk(2)

    # The ten lines: what the model says in floating point, then with every layer's x in eight bits.
    with torch.no_grad():
        exact = model(unseen[None], use_cache=False).logits
        for format in ("int8", args.format):
            calibration = qse_hw.calibrate_model(model, calibrating, format)
            qse_hw.quantize_model(model, calibration)  # in place: it can generate() and be trained as before
            logits = model(unseen[None], use_cache=False).logits
            qse_hw.quantize_model(model, None)  # takes the quantizers out again
            report(format, calibration, exact, logits)
    return 0


def report(format: str, calibration, exact: torch.Tensor, logits: torch.Tensor) -> None:
    """One line: SQNR of x (least and greatest of the layers), and how far the predictions moved."""
    sqnr = [calibration.layer(number).sqnr_db for number in range(len(calibration.layers))]
    p, q = exact.double().log_softmax(-1), logits.double().log_softmax(-1)
    kl = (p.exp() * (p - q)).sum(-1).mean()  # of the distributions of the next token, in nats
    print(
        f"{format:12} SQNR of x {min(sqnr):.1f} to {max(sqnr):.1f} dB, KL divergence {kl:.3g}, "
        f"greatest difference of a logit {(logits - exact).abs().max():.3g}"
    )


def random_model() -> tuple[torch.nn.Module, torch.Tensor]:
    """A Mamba of two layers, and random tokens."""
    from transformers import MambaConfig, MambaForCausalLM

    torch.manual_seed(SEED)
    model = MambaForCausalLM(MambaConfig(vocab_size=256, hidden_size=64, num_hidden_layers=2)).eval()
    return model, torch.randint(256, (TOKENS,))


def stored_model(folder: Path) -> tuple[torch.nn.Module, torch.Tensor]:
    """The model in a folder, and this very text in its tokens; where it has no tokenizer, bytes."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if not (folder / "config.json").is_file():
        raise qse_hw.InputError(f"Checkpoint {folder} must be a folder with config.json and weights")
    text = Path(__file__).read_text(encoding="utf-8")
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
        if any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer_config.json")):
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            return model, tokenizer(text, return_tensors="pt").input_ids[0, : 2 * TOKENS]
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise qse_hw.InputError(f"Checkpoint {folder} cannot be loaded by transformers: {reason}") from error
    return model, torch.tensor(list(text.encode())[: 2 * TOKENS])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except qse_hw.InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
