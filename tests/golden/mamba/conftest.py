"""One thread is much faster than two for these small models when other test processes want the cores too."""

import torch

torch.set_num_threads(1)
