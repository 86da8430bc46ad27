"""Calls on arrays in host memory, NumPy's and torch's: uploaded, computed on an engine and downloaded again. `kind` is the
module that knows the arrays (osdn._numpy, osdn._torch)."""

import contextlib

from . import _abi, _calls


class _Call:
    """Device memory that goes again when the call is over."""

    def __init__(self, kind, engine):
        self._kind = kind
        self._engine = engine
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._stack.close()

    def space(self, size):
        return self._stack.enter_context(self._engine.allocate(size))

    def up(self, array, element=None):
        """A copy, as another element type if one is named. The address of what is None is 0."""
        if array is None:
            return self.space(0)
        dense = self._kind.dense(array, element)
        buffer = self.space(self._kind.bytes_of(dense))
        buffer.upload(self._kind.pointer(dense))
        return buffer

    def down(self, buffer, into):
        dense = self._kind.dense_like(into)
        buffer.download(self._kind.pointer(dense))
        self._kind.assign(into, dense)

    def arguments(self, struct, inputs, cu_seqlens, shape, values):
        """Those that both operations have; inputs: q, k, v, beta, log_gamma."""
        if cu_seqlens is not None:
            _calls.expect_boundaries(cu_seqlens.tolist(), shape[1])
        out = self._engine.library.initialised(struct)
        _calls.fill(out, shape, values)
        for name, array in zip(("q", "k", "v", "beta"), inputs):
            setattr(out, name, self.up(array).address)
        out.log_gamma = self.up(inputs[4], "fp32").address
        out.cu_seqlens = self.up(cu_seqlens, "int64").address
        return out


def forward(kind, engine, inputs, states, cu_seqlens, shape, problem, values, outputs):
    """states: initial state and d; outputs: o, final state and d, which are filled. None: not given, not wanted."""
    with _Call(kind, engine) as call:
        arguments = call.arguments(_abi.ForwardArguments, inputs, cu_seqlens, shape, values)
        operation = engine.prepare(problem, shape)
        arguments.initial_state, arguments.initial_d = (call.up(array, "fp32").address for array in states)
        spaces = [call.space(0 if array is None else kind.bytes_of(array)) for array in outputs]
        arguments.o, arguments.final_state, arguments.final_d = (space.address for space in spaces)
        arguments.workspace_bytes = engine.workspace_bytes(operation, shape)
        arguments.workspace = call.space(arguments.workspace_bytes).address
        engine.launch(operation, arguments)
        engine.synchronize()
        for space, array in zip(spaces, outputs):
            if array is not None:
                call.down(space, array)


def decode(kind, engine, inputs, pools, slots, cu_seqlens, shape, problem, values, o):
    """pools: state and d (or None), which are updated. Rows of padding keep what `o` holds."""
    if slots is not None:
        _calls.expect_slots(slots.tolist(), pools[0].shape[0])
    with _Call(kind, engine) as call:
        arguments = call.arguments(_abi.DecodeArguments, inputs, cu_seqlens, shape, values)
        operation = engine.prepare(problem, shape)
        written = [(call.up(array), array) for array in (*pools, o)]
        arguments.state, arguments.d, arguments.o = (buffer.address for buffer, _ in written)
        arguments.slots = pools[0].shape[0]
        arguments.state_slots = call.up(slots, "int32").address
        engine.launch(operation, arguments)
        engine.synchronize()
        for buffer, array in written:
            if array is not None:
                call.down(buffer, array)
