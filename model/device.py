"""The choice of the device for tensors."""

import torch

from model.errors import DeviceError

CPU = torch.device("cpu")


def choose_device(name: str) -> torch.device:
    """The device of this name: ``cpu``, ``cuda``, or ``auto``, which is CUDA if there is a GPU, else the CPU."""
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise DeviceError("There is no CUDA device here. Choose cpu or auto.")
    return torch.device("cuda" if available and name != "cpu" else "cpu")
