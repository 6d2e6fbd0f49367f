"""The selective scan over a stream of channels."""
