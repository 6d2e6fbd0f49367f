"""Random configurations of an accelerator: each is generated, simulated for some tokens, and compared with golden."""
