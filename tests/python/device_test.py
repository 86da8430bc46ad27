"""What is launched for tensors on a device, without one: an engine that keeps books, and tensors in host memory."""

import contextlib
import types
import unittest
from unittest import mock

from osdn import _abi

try:
    import torch
except ImportError as error:
    torch = None
    _why = "torch cannot be imported (%s)" % error
else:
    _why = ""


class _Books:
    """An engine that launches nothing."""

    def __init__(self, refuses_strides=False):
        self.library = _abi.library()
        self.launches = []
        self.refuses_strides = refuses_strides
        self.operation = types.SimpleNamespace(takes_strides=True)
        self.prepared = []

    def prepare(self, problem, shape, stream):
        self.prepared.append((problem, tuple(shape), stream))
        return self.operation

    def workspace_bytes(self, operation, shape):
        return 512

    def launch(self, operation, arguments, stream):
        if self.refuses_strides and arguments.q_strides.token != 0:
            raise _abi.Unsupported("no strides", "OSDN_UNSUPPORTED")
        self.launches.append((arguments, stream))


@unittest.skipIf(torch is None, _why)
class Launches(unittest.TestCase):
    numbers = [0.25, 0.5, 2.0, 1e-6, 0.0, -0.5, 0.125]

    def run_on(self, engine, function, *arguments):
        from osdn import _torch

        stream = types.SimpleNamespace(cuda_stream=77)
        with contextlib.ExitStack() as stack:
            for name, value in (
                ("device", lambda device: contextlib.nullcontext()),
                ("current_device", lambda: 0),
                ("current_stream", lambda device: stream),
            ):
                stack.enter_context(mock.patch.object(torch.cuda, name, value))
            stack.enter_context(mock.patch.object(_torch, "default_engine", lambda index: engine))
            getattr(_torch, function)(*arguments)

    def forward(self, engine, q, k, v, beta, cu_seqlens=None, state=None):
        from osdn import _torch

        shape = _torch._shape_of(q, v, cu_seqlens)
        outputs = _torch._outputs(q, v, shape[4] or shape[0], True, False)
        tensors = (q, k, v, beta, None), (state, None), cu_seqlens
        self.run_on(engine, "_forward_on_device", *tensors, shape, "problem", self.numbers, outputs)
        return outputs

    def test_addresses_sizes_and_stream(self):
        engine = _Books()
        q, k, v = torch.rand(2, 5, 2, 32), torch.rand(2, 5, 2, 32), torch.rand(2, 5, 4, 48)
        beta, state = torch.rand(2, 5, 4), torch.rand(2, 4, 32, 48)
        o, final, _ = self.forward(engine, q, k, v, beta, state=state)
        self.assertEqual(engine.prepared, [("problem", (2, 5, 2, 4, 0), 77)])
        ((a, stream),) = engine.launches
        self.assertEqual(stream, 77)
        self.assertEqual((a.b, a.t, a.h, a.hv, a.n), (2, 5, 2, 4, 0))
        self.assertEqual((a.eta, a.log_gamma_constant, a.scale), (0.25, -0.5, 0.125))
        for name, tensor in (("q", q), ("k", k), ("v", v), ("beta", beta), ("initial_state", state), ("o", o),
                             ("final_state", final)):
            self.assertEqual(getattr(a, name), tensor.data_ptr(), name)
        self.assertEqual((a.final_d, a.initial_d, a.log_gamma, a.cu_seqlens), (0, 0, 0, 0))
        self.assertEqual((a.q_strides.batch, a.q_strides.token, a.q_strides.head), (0, 0, 0))
        self.assertEqual(a.workspace_bytes, 512)
        self.assertNotEqual(a.workspace, 0)

    def test_packed_rows_are_read_where_they_are_or_copied(self):
        packed = torch.rand(2, 5, 3, 2, 32)
        q, k, v = packed.unbind(2)
        beta = torch.rand(2, 5, 2)
        engine = _Books()
        self.forward(engine, q, k, v, beta)
        ((a, _),) = engine.launches
        self.assertEqual((a.q, a.k - a.q, a.v - a.q), (packed.data_ptr(), 256, 512))
        for strides in (a.q_strides, a.k_strides, a.v_strides):
            self.assertEqual((strides.batch, strides.token, strides.head), (960, 192, 32))
        engine = _Books(refuses_strides=True)
        self.forward(engine, q, k, v, beta)
        ((a, _),) = engine.launches
        self.assertNotIn(a.q, (packed.data_ptr(), 0))
        self.assertEqual(a.q_strides.token, 0)
        self.assertFalse(engine.operation.takes_strides)

    def test_rows_that_no_kernel_reads_are_copied(self):
        beta = torch.rand(1, 5, 2)
        dense = torch.rand(1, 5, 2, 32)
        odd = torch.rand(1, 5, 2, 33)[..., :32]  # rows that are not aligned to 16 bytes
        turned = torch.rand(1, 5, 32, 2).transpose(2, 3)  # features that do not lie side by side
        spread = torch.rand(1, 1, 2, 32).expand(1, 5, 2, 32)  # one row for all tokens
        for q in (odd, turned, spread):
            engine = _Books()
            self.forward(engine, q, dense, dense, beta)
            ((a, _),) = engine.launches
            self.assertNotEqual(a.q, q.data_ptr())
            self.assertEqual(a.q_strides.token, 0)

    def test_boundaries_keep_their_type(self):
        x, beta = torch.rand(1, 5, 2, 32), torch.rand(1, 5, 2)
        for kind, bits in ((torch.int32, 32), (torch.int64, 64)):
            engine = _Books()
            boundaries = torch.tensor([0, 2, 5], dtype=kind)
            _, final, _ = self.forward(engine, x, x, x, beta, boundaries)
            ((a, _),) = engine.launches
            self.assertEqual((a.cu_seqlens, a.cu_seqlens_bits, a.n), (boundaries.data_ptr(), bits, 2))
            self.assertEqual(tuple(final.shape), (2, 2, 32, 32))

    def test_decode(self):
        x, beta, o = torch.rand(3, 1, 2, 32), torch.rand(3, 1, 2), torch.empty(3, 1, 2, 32)
        state, d = torch.rand(7, 2, 32, 32), torch.rand(7, 2, 32)
        slots = torch.tensor([4, -1, 0], dtype=torch.int32)
        engine = _Books()
        call = (3, 1, 2, 2, 0), "problem", self.numbers, o
        self.run_on(engine, "_decode_on_device", (x, x, x, beta, None), (state, d), slots, None, *call)
        ((a, stream),) = engine.launches
        self.assertEqual((stream, a.slots, a.state, a.d), (77, 7, state.data_ptr(), d.data_ptr()))
        self.assertEqual((a.state_slots, a.output_state, a.output_slots, a.o), (slots.data_ptr(), 0, 0, o.data_ptr()))
        with self.assertRaises(_abi.Unsupported):
            apart = state.transpose(2, 3), d
            self.run_on(engine, "_decode_on_device", (x, x, x, beta, None), apart, slots, None, *call)

    def test_rows_of_padding_are_zeros(self):
        from osdn import _torch

        def poisoned(shape, **how):
            return torch.full(shape, float("nan"), **how)

        with mock.patch.object(torch, "empty", poisoned):
            v = torch.rand(3, 1, 2, 32, dtype=torch.float16)
            o = _torch._steps(v, torch.tensor([4, -1, 0]))
        self.assertEqual((o.dtype, o.shape), (v.dtype, v.shape))
        self.assertTrue((o == 0).all())


if __name__ == "__main__":
    unittest.main()
