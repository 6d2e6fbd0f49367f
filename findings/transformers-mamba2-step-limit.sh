#!/bin/sh
# transformers 5.23.0, torch 2.13.0: Mamba-2's time_step_limit, "accepted range of time step values", holds for a whole
# sequence, and not for a step of one token with the cache, which is what generate() does after the prompt. So a model
# with a limit that matters generates by another function than the one that scores a text, and says nothing.
# A good engineer expects the same logits both ways, as without a limit. Remedy: none outside; do not compare the two.
#
# Seen (of 20 tokens, are the logits of the last 8, one at a time after 12, those of all at once?):
#   no limit: yes
#   limit (0.0, 0.0001): no
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 torch==2.13.0 transformers==5.23.0
cat > "$folder/steps.py" <<'END'
import torch
import transformers

print(f"transformers {transformers.__version__}")
sizes = {"vocab_size": 61, "hidden_size": 48, "state_size": 8, "num_hidden_layers": 2, "head_dim": 16, "num_heads": 6}
for name, limit in (("no limit", (0.0, float("inf"))), ("limit (0.0, 0.0001)", (0.0, 1e-4))):
    torch.manual_seed(1)
    config = transformers.Mamba2Config(**sizes, n_groups=1, chunk_size=16, time_step_limit=limit)
    model = transformers.Mamba2ForCausalLM(config).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.1 * torch.randn_like(p))
        ids = torch.randint(61, (1, 20))
        whole, cache = model(ids).logits[:, 12:], model(ids[:, :12], use_cache=True).cache_params
        steps = [model(one, cache_params=cache, use_cache=True).logits for one in ids[:, 12:].split(1, dim=1)]
        same = (torch.cat(steps, 1) - whole).abs().max() < 1e-4 * whole.std()
    print(f"{name}: {'yes' if same else 'no'}")
END
HF_HUB_OFFLINE=1 "$folder/venv/bin/python" "$folder/steps.py" 2> "$folder/log" > "$folder/seen" || cat "$folder/log"
cat "$folder/seen"
cat > "$folder/expected" <<'END'
transformers 5.23.0
no limit: yes
limit (0.0, 0.0001): no
END
if cmp -s "$folder/seen" "$folder/expected"; then
    echo "still so: a step of one token does not limit the time step"
else
    echo "changed: see above"
    exit 1
fi
