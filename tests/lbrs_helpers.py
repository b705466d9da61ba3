"""For the tests of LBRS: steepest steps of NumPy vectors."""

import numpy as np
import torch

from smoothcert.compute import geometry


def steepest(vectors, norm):
    """Unit steps of ``norm`` up the vectors [..., d], in float64."""
    vectors = np.asarray(vectors, np.float64)
    flat = torch.from_numpy(vectors.reshape(-1, vectors.shape[-1]))
    return geometry.steepest(flat, norm).numpy().reshape(vectors.shape)
