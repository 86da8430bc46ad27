"""Calls on arrays in host memory: uploaded, computed and downloaded again. On the emulator, unless an engine says
otherwise: for tests, and for looking at results where there is no GPU."""

import contextlib

import numpy

from . import _abi, _calls
from .engine import default_engine

_ELEMENTS = {"float16": "fp16", "float32": "fp32", "bfloat16": "bf16"}


def is_array(value):
    return isinstance(value, numpy.ndarray)


def element(name, array):
    found = _ELEMENTS.get(array.dtype.name)
    if found is None:
        raise _calls.invalid(
            "%s is of %s; allowed: float16, float32, and bfloat16 of the ml_dtypes package" % (name, array.dtype)
        )
    return found


def types(q, k, v, beta):
    """(element type, type of beta)"""
    kind = element("q", q)
    for name, array in (("k", k), ("v", v)):
        if array.dtype != q.dtype:
            raise _calls.invalid("%s is of %s and q of %s; they must be of one type" % (name, array.dtype, q.dtype))
    if beta.dtype == numpy.float32:
        return kind, "fp32"
    if beta.dtype == q.dtype:
        return kind, "element"
    raise _calls.invalid("beta is of %s; allowed: float32, or %s as q" % (beta.dtype, q.dtype))


class _Call:
    """Uploads that go again when the call is over."""

    def __init__(self, engine):
        self._engine = engine
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stack.close()

    def space(self, size):
        return self._stack.enter_context(self._engine.allocate(size))

    def up(self, array, dtype=None):
        """The address of a copy; 0 for None."""
        if array is None:
            return 0
        dense = numpy.ascontiguousarray(array, dtype=dtype)
        buffer = self.space(dense.nbytes)
        buffer.upload(dense.ctypes.data)
        return buffer.address

    def down(self, buffer, shape, dtype):
        out = numpy.empty(shape, dtype)
        buffer.download(out.ctypes.data)
        return out


def _fill_inputs(call, arguments, shape, values, q, k, v, beta, log_gamma, cu_seqlens):
    _calls.fill(arguments, shape, values)
    arguments.q, arguments.k, arguments.v, arguments.beta = map(call.up, (q, k, v, beta))
    arguments.log_gamma = call.up(log_gamma, numpy.float32)
    if cu_seqlens is not None:
        arguments.cu_seqlens = call.up(cu_seqlens, numpy.int64)


def forward(q, k, v, beta, log_gamma, initial_state, initial_d, cu_seqlens, shape, problem, values, wants, engine):
    """(o, final state, final d); None for what is not wanted."""
    if cu_seqlens is not None:
        _calls.expect_boundaries(cu_seqlens.tolist(), shape[1])
    engine = engine or default_engine()
    operation = engine.prepare(problem, shape)
    b, _, _, hv, n = shape
    rows = n if n > 0 else b
    key, value = q.shape[3], v.shape[3]
    with _Call(engine) as call:
        arguments = engine.library.initialised(_abi.ForwardArguments)
        _fill_inputs(call, arguments, shape, values, q, k, v, beta, log_gamma, cu_seqlens)
        arguments.initial_state = call.up(initial_state, numpy.float32)
        arguments.initial_d = call.up(initial_d, numpy.float32)
        o = call.space(v.nbytes)
        state = call.space(rows * hv * key * value * 4 if wants[0] else 0)
        d = call.space(rows * hv * key * 4 if wants[1] else 0)
        arguments.o, arguments.final_state, arguments.final_d = o.address, state.address, d.address
        arguments.workspace_bytes = engine.workspace_bytes(operation, shape)
        arguments.workspace = call.space(arguments.workspace_bytes).address
        engine.launch(operation, arguments)
        engine.synchronize()
        return (
            call.down(o, v.shape, v.dtype),
            call.down(state, (rows, hv, key, value), numpy.float32) if wants[0] else None,
            call.down(d, (rows, hv, key), numpy.float32) if wants[1] else None,
        )


def decode(q, k, v, beta, log_gamma, cu_seqlens, state, d, slots, outputs, shape, problem, values, engine):
    """o; the pools' rows in `outputs` = (state, d, slots), or else those that were read, are written."""
    if cu_seqlens is not None:
        _calls.expect_boundaries(cu_seqlens.tolist(), shape[1])
    if slots is not None:
        _calls.expect_slots(slots.tolist(), state.shape[0])
    for name, array, output in (("state", state, outputs[0]), ("d", d, outputs[1])):
        if array is not None and output is None and not array.flags.writeable:
            raise _calls.invalid("%s is read-only, but is updated where it is: give a copy" % name)
    engine = engine or default_engine()
    operation = engine.prepare(problem, shape)
    with _Call(engine) as call:
        arguments = engine.library.initialised(_abi.DecodeArguments)
        _fill_inputs(call, arguments, shape, values, q, k, v, beta, log_gamma, cu_seqlens)
        held = []
        for name, array in (("state", state), ("d", d), ("output_state", outputs[0]), ("output_d", outputs[1])):
            if array is None:
                continue
            setattr(arguments, name, call.up(array))
            held.append((getattr(arguments, name), array, name))
        pool = state if state is not None else outputs[0]
        if pool is not None:
            arguments.slots = pool.shape[0]
        arguments.state_slots = call.up(slots, numpy.int32)
        arguments.output_slots = call.up(outputs[2], numpy.int32)
        # Rows of padding keep what they hold: nothing, here.
        o = call.space(v.nbytes)
        o.upload(numpy.zeros(v.shape, v.dtype).ctypes.data)
        arguments.o = o.address
        engine.launch(operation, arguments)
        engine.synchronize()
        for address, array, name in held:
            if name in ("state", "d") and outputs[0 if name == "state" else 1] is not None:
                continue  # was only read
            _download_into(engine, address, array)
        return call.down(o, v.shape, v.dtype)


def _download_into(engine, address, array):
    dense = numpy.empty(array.shape, array.dtype)
    if dense.nbytes > 0:
        engine.library.download(engine._handle, dense.ctypes.data, address, dense.nbytes)
    array[...] = dense


def as_float32(array):
    return array if array is None else numpy.asarray(array, numpy.float32)


def ones(shape, like):
    return numpy.ones(shape, like.dtype)


def zeros(shape, like):
    return numpy.zeros(shape, numpy.float32)
