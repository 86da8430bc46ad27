"""Online Scaled DeltaNet and DeltaNet: kernels generated and compiled at run time, without Triton.

chunk_osdn, decode_osdn and flash-linear-attention's chunk_delta_rule and fused_recurrent_delta_rule compute on torch
tensors and on NumPy arrays; docs/python.md."""

from ._abi import Error, InvalidArgument, OutOfMemory, Unsupported, library
from .engine import Engine, default_engine, emulator, set_default_engine
from .ops import chunk_delta_rule, chunk_osdn, decode_osdn, fused_recurrent_delta_rule

__all__ = [
    "Engine",
    "Error",
    "InvalidArgument",
    "OutOfMemory",
    "Unsupported",
    "chunk_delta_rule",
    "chunk_osdn",
    "decode_osdn",
    "default_engine",
    "emulator",
    "fused_recurrent_delta_rule",
    "set_default_engine",
    "version",
]

__version__ = "0.1.0"


def version():
    """Of the shared library."""
    return library().c.osdn_version_text().decode()
