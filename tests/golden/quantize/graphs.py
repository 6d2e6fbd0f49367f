"""A stand-in for CUDA graphs on a CPU: it records the operations of a capture, and replays them on the same memory."""

import contextlib
import types
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Capture:
    """Takes the places of ``torch.cuda.CUDAGraph`` and what goes with it.

    A replay repeats each operation with the very tensors of the capture and writes what it gives into the memory of
    what it gave, as a graph does: whatever Python decided or computed by itself is not done again. A value that leaves
    the device (``.item()``, a tensor's truth, a shape that depends on data) is refused.
    """

    SYNCHRONISING = ("_local_scalar_dense", "item", "is_nonzero", "nonzero", "masked_select", "unique", "equal")

    def __init__(self, monkeypatch):
        self.calls, self.replays = [], 0
        stream = types.SimpleNamespace(wait_stream=lambda other: None)
        for name, value in {
            "Stream": lambda: stream,
            "current_stream": lambda: stream,
            "stream": lambda of: contextlib.nullcontext(),
            "CUDAGraph": lambda: types.SimpleNamespace(replay=self.replay),
            "graph": lambda of: _Recorder(self.calls),
        }.items():
            monkeypatch.setattr(torch.cuda, name, value)

    @torch.no_grad()
    def replay(self):
        self.replays += 1
        for function, args, kwargs, before in self.calls:
            after = function(*args, **kwargs)
            for old, new in zip(_tensors(before), _tensors(after), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)


class _Recorder(TorchDispatchMode):
    def __init__(self, calls):
        super().__init__()
        self.calls = calls
        self.refusals = [mock.patch.object(torch.Tensor, name, _refuse) for name in ("tolist", "numpy", "cpu")]

    def __enter__(self):
        for refusal in self.refusals:
            refusal.start()
        return super().__enter__()

    def __exit__(self, *error):
        for refusal in self.refusals:
            refusal.stop()
        return super().__exit__(*error)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.__name__.split(".")[0] in Capture.SYNCHRONISING:
            raise RuntimeError(f"{function} waits for the device")
        result = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, result))
        return result


def _refuse(*_):
    raise RuntimeError("a tensor that is read by Python waits for the device")


def _tensors(tree):
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
