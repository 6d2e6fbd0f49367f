"""Greedy generation, one token at a time: on a GPU each token is one replay of a CUDA graph.

Shapes: batch b, prompt length l.
"""

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qse_hw.golden.checks import boolean, instance, integer
from qse_hw.golden.errors import InputError

Region = Callable[..., Any]
"""A function of tensors alone, so that its compiled form serves every layer."""

_WARM_UPS = 3  # before capture: compiles, fills caches and lets libraries allocate


def unfused(region: Region) -> Region:
    """The region itself: one kernel per operation."""
    return region


@functools.cache
def fused(region: Region, *, exact: bool) -> Region:
    """The region compiled by ``torch.compile`` into few kernels.

    Coordinate descent tuning also turns a product with one row into a fused sum that reads the weight as it is stored,
    8 bits wide or 16 (torch/_inductor/decomposition.py, ``mm`` and ``bmm``). Unless ``exact``, Inductor leaves out
    roundings to float16 between fused operations, and contracts products and sums (torch/_inductor/config.py,
    ``emulate_precision_casts``).
    """
    options: dict[str, Any] = {"coordinate_descent_tuning": True, "emulate_precision_casts": exact}
    return torch.compile(region, fullgraph=True, dynamic=False, options=options)


class Decoder(nn.Module):
    """A language model that has a state and takes one token of each of ``batch`` sequences at a time.

    Everything that :meth:`step` reads or changes is a buffer whose address never changes: the decoder stays on the
    device on which it was made.

    Args:
        batch: sequences.
        vocab_size: of the logits.
        device: of all buffers.
        compiled: whether elementwise operations are fused by ``torch.compile``; None: on a GPU only.

    Attributes:
        exact: whether fused operations must keep their roundings to float16.
        token: input of the next step, int64 (b,); after the step its greedy successor.
        logits: of the last step, float32 (b, vocab_size).
    """

    exact: ClassVar[bool] = False
    token: Tensor
    logits: Tensor

    def __init__(self, *, batch: int, vocab_size: int, device: torch.device, compiled: bool | None = None) -> None:
        super().__init__()
        if integer(batch, "Batch") < 1:
            raise InputError(f"Batch must be at least 1 sequence, not {batch!r}")
        compiled = device.type == "cuda" if compiled is None else boolean(compiled, "compiled")
        self.fuse: Callable[[Region], Region] = functools.partial(fused, exact=self.exact) if compiled else unfused
        self.register_buffer("token", torch.zeros(batch, dtype=torch.int64, device=device))
        self.register_buffer("logits", torch.zeros(batch, vocab_size, device=device))
        self._ready: Callable[[], Any] | None = None

    def step(self, ids: Tensor) -> Tensor:
        """Logits (b, vocab_size), float32, after one more token int64 (b,) of each sequence; changes the state."""
        raise NotImplementedError

    def states(self) -> list[Tensor]:
        """The buffers that a step changes; all zero is the empty state."""
        raise NotImplementedError

    @torch.no_grad()
    def reset(self) -> None:
        """Empty the state."""
        for state in self.states():
            state.zero_()

    @torch.no_grad()
    def advance(self) -> None:
        """A step from ``token``: sets ``logits`` and ``token``."""
        self.logits.copy_(self.step(self.token))
        self.token.copy_(self.logits.argmax(-1))

    def ready(self) -> Callable[[], Any]:
        """The fastest form of :meth:`advance`: on a GPU the replay of a CUDA graph, captured once."""
        if self._ready is None:
            if self.token.is_cuda:
                kept = [*self.states(), self.token, self.logits]
                before = [tensor.clone() for tensor in kept]
                self._ready = captured(self.advance)
                for tensor, value in zip(kept, before, strict=True):
                    tensor.copy_(value)
            else:
                self._ready = self.advance
        return self._ready

    @torch.no_grad()
    def prefill(self, ids: Tensor) -> Tensor:
        """Logits (b, vocab_size) after the tokens ids (b, l), one by one; the state continues from its present value.

        Raises:
            InputError: for another shape, or ids outside the vocabulary.
        """
        advance = self.ready()
        for column in self._checked(ids).unbind(1):
            self.token.copy_(column)
            advance()
        return self.logits.clone()

    @torch.no_grad()
    def generate(self, ids: Tensor, tokens: int) -> Tensor:
        """The greedy continuation, int64 (b, tokens), of a prompt ids (b, l); the state is not reset before.

        Raises:
            InputError: as :meth:`prefill`; for less than one token.
        """
        if integer(tokens, "Tokens") < 1:
            raise InputError(f"Tokens must be at least 1, not {tokens!r}")
        self.prefill(ids)
        advance = self.ready()
        continuation = torch.empty(len(self.token), tokens, dtype=torch.int64, device=self.token.device)
        for i in range(tokens):
            if i:
                advance()
            continuation[:, i].copy_(self.token)
        return continuation

    def _checked(self, ids: Tensor) -> Tensor:
        batch, vocab_size = self.logits.shape
        instance(ids, Tensor, "Prompt", f"an integer tensor of shape ({batch}, at least 1)")
        if ids.dim() != 2 or len(ids) != batch or ids.shape[1] < 1:
            raise InputError(f"Prompt must have shape ({batch}, at least 1), not {tuple(ids.shape)}")
        whole = not (ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool)
        if not whole or int(ids.min()) < 0 or int(ids.max()) >= vocab_size:
            raise InputError(f"Prompt must be integers from 0 to {vocab_size - 1}, the vocabulary's")
        return ids.to(self.token)


def captured(work: Callable[[], Any]) -> Callable[[], Any]:
    """``work`` as the replay of a CUDA graph; it is run a few times before, as PyTorch requires for CUDA graphs."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    replay: Callable[[], Any] = graph.replay
    return replay
