"""The cost of a quantizer of x: per layer in dB, for the whole model in nats and bits, with confidence intervals.

* :mod:`qse_hw.golden.evaluate.layers`: fits candidates to every layer, measures SQNR and the distance to the limit.
* :mod:`qse_hw.golden.evaluate.recipes`: models whose x is quantized, and the rest left alone or quantized, too.
* :mod:`qse_hw.golden.evaluate.score`: KL divergence from the unquantized model and negative log likelihood, by window.
* :mod:`qse_hw.golden.evaluate.bootstrap`: intervals for their means.

Nothing is imported here, so that each part loads only what it needs.
"""
