"""RMSNorm over a stream of residual integers."""
