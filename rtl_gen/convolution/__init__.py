"""Causal depthwise convolution over a stream of channels."""
