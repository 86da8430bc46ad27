"""Calls on NumPy arrays: on the emulator, unless an engine says otherwise. For tests, and for looking at results where
there is no GPU."""

import sys

import numpy

from . import _calls, _host
from .engine import Engine, default_engine

_ELEMENTS = {"float16": "fp16", "float32": "fp32", "bfloat16": "bf16"}
_DTYPES = {"fp32": numpy.float32, "int64": numpy.int64, "int32": numpy.int32}
ALLOWED = "float16, float32, and bfloat16 of the ml_dtypes package, in the machine's byte order"


def is_array(value):
    """A masked array is none: nobody would look at its mask."""
    return isinstance(value, numpy.ndarray) and not isinstance(value, numpy.ma.MaskedArray)


def element(array):
    """"fp16", "fp32", "bf16"; None for all else."""
    return _ELEMENTS.get(array.dtype.name) if array.dtype.isnative else None


def is_floating(array):
    return element(array) is not None or array.dtype.kind == "f"


def is_integer(array):
    return array.dtype.kind in "iu"


def check(engine, **arrays):
    if engine is not None and not isinstance(engine, Engine):
        raise _calls.invalid("engine is a %s; wanted: an osdn.Engine" % type(engine).__name__)


# ---- what osdn._host asks ----------------------------------------------------------------------------------------------


def dense(array, element_type):
    return numpy.ascontiguousarray(array, dtype=_DTYPES[element_type] if element_type else None)


def bytes_of(array):
    return array.nbytes


def pointer(array):
    return array.ctypes.data


def dense_like(array):
    return numpy.empty(array.shape, array.dtype)


def assign(into, array):
    into[...] = array


# ---- what osdn.ops calls -----------------------------------------------------------------------------------------------

_HERE = sys.modules[__name__]


def forward(q, k, v, beta, log_gamma, initial_state, initial_d, cu_seqlens, shape, problem, values, wants, engine):
    """(o, final state, final d); None for what is not wanted."""
    rows, hv, key, value = shape[4] or shape[0], shape[3], q.shape[3], v.shape[3]
    outputs = (
        numpy.empty(v.shape, v.dtype),
        numpy.empty((rows, hv, key, value), numpy.float32) if wants[0] else None,
        numpy.empty((rows, hv, key), numpy.float32) if wants[1] else None,
    )
    inputs, states = (q, k, v, beta, log_gamma), (initial_state, initial_d)
    _host.forward(_HERE, engine or default_engine(), inputs, states, cu_seqlens, shape, problem, values, outputs)
    return outputs


def decode(q, k, v, beta, log_gamma, cu_seqlens, state, d, slots, shape, problem, values, engine):
    """o; state and d are updated where they are."""
    for name, array in (("state", state), ("d", d)):
        if array is not None and not array.flags.writeable:
            raise _calls.invalid("%s is read-only, but is updated where it is: give a copy" % name)
    o = numpy.zeros(v.shape, v.dtype)
    inputs = (q, k, v, beta, log_gamma)
    _host.decode(_HERE, engine or default_engine(), inputs, (state, d), slots, cu_seqlens, shape, problem, values, o)
    return o


def float32_copy(array):
    return numpy.array(array, numpy.float32)


def ones(shape, like):
    return numpy.ones(shape, like.dtype)


def zeros(shape, like):
    return numpy.zeros(shape, numpy.float32)
