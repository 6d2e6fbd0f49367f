"""What a quantizer of x costs: per layer in dB, for the whole model in nats and bits, with what chance has in it.

* :mod:`qse_hw.golden.evaluate.layers`: fits candidates to every layer, measures SQNR and the distance to the limit.
* :mod:`qse_hw.golden.evaluate.recipes`: models whose x is quantized, and everything else not at all or to 8 bits.
* :mod:`qse_hw.golden.evaluate.score`: KL divergence from the unquantized model and negative log likelihood, by window.
* :mod:`qse_hw.golden.evaluate.bootstrap`: intervals for their means.

Nothing is imported here, so that each part loads only what it needs.
"""
