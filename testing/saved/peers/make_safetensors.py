"""Writes the file that the safetensors tests read: python make_safetensors.py, in this folder.

The version of the library is in the file's name.
"""

import numpy as np
import safetensors
from safetensors.numpy import save_file

tensors = {
    "f32": np.array([[1.5, -2.25], [np.inf, 0]], np.float32),
    "f64": np.array([1e300], np.float64),
    "f16": np.array([1, -0.5, 65504], np.float16),
    "i8": np.array([-128, 127], np.int8),
    "u8": np.array([0, 255, 7], np.uint8),
    "i32": np.array(-5, np.int32),
    "i64": np.array([2**62, -1], np.int64),
    "bool": np.array([True, False, True]),
    "empty": np.zeros((0, 3), np.float32),
}
save_file(tensors, f"safetensors-{safetensors.__version__}.safetensors", metadata={"framework": "numpy"})
