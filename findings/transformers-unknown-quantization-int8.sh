#!/bin/sh
# transformers 5.23: from_pretrained of a checkpoint whose config.json names a quant_method that it does not know warns that
# it "will skip the quantization", and then takes int8 codes for the weights themselves: a model of integers up to 127, and
# no error. Remedy: give int8 tensors another shape than the weight's (here a third axis), which is refused. Exits 1 if this
# is no longer so.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet numpy safetensors torch==2.13.0 transformers==5.23.0
cat > t.py <<'END'
import json
import sys
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import MambaConfig, MambaForCausalLM

transformers.logging.set_verbosity_error()
print("transformers", transformers.__version__)
config = MambaConfig(vocab_size=32, hidden_size=16, num_hidden_layers=1, state_size=4)
MambaForCausalLM(config).save_pretrained("m")
name = "backbone.layers.0.mixer.in_proj.weight"
tensors, document = load_file("m/model.safetensors"), json.load(open("m/config.json"))
codes = torch.full_like(tensors[name], 127, dtype=torch.int8)
json.dump(document | {"quantization_config": {"quant_method": "nobody's"}}, open("m/config.json", "w"))


def loaded(weight):
    save_file(tensors | {name: weight, name + "_scale": torch.ones(64, 1) / 1000}, "m/model.safetensors", {"format": "pt"})
    try:
        return MambaForCausalLM.from_pretrained("m").backbone.layers[0].mixer.in_proj.weight.unique().tolist()
    except RuntimeError:
        return "refused"


plain, shaped = loaded(codes), loaded(codes.unsqueeze(-1))
print("int8 codes 127 with scales of 0.001 become weights", plain)
print("the same with a third axis:", shaped)
sys.exit(not (plain == [127.0] and shaped == "refused"))
END
venv/bin/python t.py 2> log || { status=$?; cat log >&2; exit $status; }
