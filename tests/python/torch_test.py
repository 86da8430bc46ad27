"""Tensors, the registered operators, torch.compile; on the CPU by the emulator, and on a CUDA device where there is
one."""

import unittest

import numpy
import osdn
from recurrence import distance, recur

try:
    import torch
except ImportError as error:
    torch = None
    _why = "torch cannot be imported (%s)" % error
else:
    _why = ""


@unittest.skipIf(torch is None, _why)
class Tensors(unittest.TestCase):
    device = "cpu"

    def inputs(self, b=1, t=20, h=2, hv=4, k=32, v=48, dtype=None):
        dtype = dtype or torch.float32
        q, key = ((torch.rand(b, t, h, k) * 0.6 - 0.3).to(dtype) for _ in range(2))
        value = (torch.rand(b, t, hv, v) * 2 - 1).to(dtype)
        return [x.to(self.device) for x in (q, key, value, torch.rand(b, t, hv))]

    def exact(self, inputs, *more, **named):
        return recur(*(x.float().cpu().numpy() for x in inputs), *more, **named)

    def test_forward_and_decode(self):
        inputs = self.inputs(t=23)
        head, tail = [x[:, :20] for x in inputs], [x[:, 20:] for x in inputs]
        o, state, d = osdn.chunk_osdn(*head, output_final_state=True, math="tf32x3")
        exact = self.exact(inputs)
        self.assertLess(distance(o.cpu().numpy(), exact[0][:, :20]), 3e-4)
        o = osdn.decode_osdn(*tail, state, d)
        self.assertLess(distance(o.cpu().numpy(), exact[0][:, 20:]), 3e-4)
        self.assertLess(distance(state.cpu().numpy(), exact[1]), 3e-4)

    def test_bfloat16(self):
        inputs = self.inputs(dtype=torch.bfloat16)
        o, state = osdn.chunk_delta_rule(*inputs, output_final_state=True, use_qk_l2norm_in_kernel=True)
        exact = self.exact(inputs, osdn=False, l2norm=True)
        self.assertEqual(o.dtype, torch.bfloat16)
        self.assertEqual(state.dtype, torch.float32)
        self.assertLess(distance(o.float().cpu().numpy(), exact[0]), 3e-2)

    def test_packed_and_recurrent(self):
        inputs = self.inputs(t=9)
        boundaries = torch.tensor([0, 4, 9], device=self.device)
        o, state = osdn.fused_recurrent_delta_rule(*inputs, output_final_state=True, cu_seqlens=boundaries)
        for n, (begin, end) in enumerate(((0, 4), (4, 9))):
            exact = self.exact([x[:, begin:end] for x in inputs], osdn=False)
            self.assertLess(distance(o[:, begin:end].cpu().numpy(), exact[0]), 1e-4)
            self.assertLess(distance(state[n : n + 1].cpu().numpy(), exact[1]), 1e-4)

    def test_packed_qkv_is_a_view(self):
        packed = (torch.rand(1, 20, 3, 2, 32) * 0.6 - 0.3).to(self.device)
        q, k, v = packed.unbind(2)
        beta = torch.rand(1, 20, 2, device=self.device)
        o, _, _ = osdn.chunk_osdn(q, k, v, beta, math="tf32x3")
        self.assertLess(distance(o.cpu().numpy(), self.exact((q, k, v, beta))[0]), 3e-4)

    def test_gradients_are_refused(self):
        inputs = self.inputs(t=5)
        inputs[1].requires_grad_()
        with self.assertRaises(osdn.Unsupported) as caught:
            osdn.chunk_delta_rule(*inputs)
        self.assertIn("k requires a gradient, and there is no backward kernel yet", str(caught.exception))
        with torch.no_grad():
            osdn.chunk_delta_rule(*inputs)

    def test_operators_are_registered_well(self):
        inputs = self.inputs(t=5)
        problem = "osdn_forward:type=fp32,k=32,v=48"
        numbers = [0.003, 0.5, 2.0, 1e-6, 0.0, 0.0, 0.0]
        osdn.chunk_osdn(*inputs)
        torch.library.opcheck(
            torch.ops.osdn.forward.default, (*inputs, None, None, None, None, problem, numbers, True, True)
        )
        state, d = torch.zeros(1, 4, 32, 48, device=self.device), torch.ones(1, 4, 32, device=self.device)
        torch.library.opcheck(
            torch.ops.osdn.decode.default,
            (*inputs, None, None, state, d, None, "osdn_decode:type=fp32,k=32,v=48", numbers),
        )

    def test_compile_makes_one_graph(self):
        inputs = self.inputs()

        def layer(q, k, v, beta):
            o, state, d = osdn.chunk_osdn(q * 2, k, v, torch.sigmoid(beta), output_final_state=True, math="tf32x3")
            return o + 1, state, d

        found = torch.compile(layer, fullgraph=True, backend="aot_eager")(*inputs)
        q, k, v, beta = inputs
        exact = self.exact((q * 2, k, v, torch.sigmoid(beta)))
        self.assertLess(distance(found[0].cpu().numpy() - 1, exact[0]), 3e-4)
        self.assertLess(distance(found[1].cpu().numpy(), exact[1]), 3e-4)

    def test_compile_knows_that_states_change(self):
        inputs = self.inputs(t=2)
        state, d = torch.zeros(1, 4, 32, 48, device=self.device), torch.ones(1, 4, 32, device=self.device)

        def step(q, k, v, beta, state, d):
            o = osdn.decode_osdn(q, k, v, beta, state, d)
            return o, state.sum()

        o, total = torch.compile(step, fullgraph=True, backend="aot_eager")(*inputs, state, d)
        exact = self.exact(inputs)
        self.assertLess(distance(o.cpu().numpy(), exact[0]), 1e-4)
        self.assertLess(distance(state.cpu().numpy(), exact[1]), 1e-4)
        self.assertAlmostEqual(float(total), float(exact[1].sum()), delta=1e-2)

    def test_rows_of_padding_are_zeros(self):
        inputs = self.inputs(b=3, t=1)
        state, d = torch.rand(5, 4, 32, 48, device=self.device), torch.ones(5, 4, 32, device=self.device)
        o = osdn.decode_osdn(*inputs, state, d, state_slots=torch.tensor([4, -1, 0], device=self.device))
        self.assertTrue((o[1] == 0).all())
        self.assertTrue((o[[0, 2]] != 0).any())

    def test_refusals(self):
        q, k, v, beta = self.inputs(t=5)
        state = torch.zeros(1, 4, 32, 48, device=self.device, requires_grad=True)
        for function in (osdn.chunk_delta_rule, osdn.fused_recurrent_delta_rule):
            with self.assertRaisesRegex(osdn.Unsupported, "initial_state requires a gradient"):
                function(q, k, v, beta, initial_state=state)
            with self.assertRaisesRegex(osdn.Unsupported, "does not support g; supported: q, k, v, beta, scale"):
                function(q, k, v, beta, g=beta)
        with self.assertRaisesRegex(osdn.Unsupported, "engine= is for NumPy arrays"):
            osdn.chunk_osdn(q, k, v, beta, engine="x")
        with self.assertRaisesRegex(osdn.Unsupported, "k has the layout torch.sparse_coo"):
            osdn.chunk_osdn(q, k.to_sparse(), v, beta)
        with self.assertRaisesRegex(osdn.InvalidArgument, "cu_seqlens is of torch.float32; wanted: integers"):
            osdn.chunk_osdn(q, k, v, beta, cu_seqlens=torch.tensor([0.0, 5.0], device=self.device))
        with self.assertRaisesRegex(osdn.InvalidArgument, "log_gamma is of torch.complex64"):
            osdn.chunk_osdn(q, k, v, beta, torch.zeros(4, dtype=torch.complex64, device=self.device))
        with self.assertRaisesRegex(osdn.InvalidArgument, "beta is of torch.float64; allowed: float32"):
            osdn.chunk_osdn(q, k, v, beta.double())
        with self.assertRaisesRegex(osdn.InvalidArgument, "q is of torch.float64"):
            osdn.chunk_osdn(q.double(), k.double(), v.double(), beta)
        with self.assertRaisesRegex(osdn.InvalidArgument, "k is a ndarray, but q is not"):
            osdn.chunk_osdn(q, numpy.zeros((1, 5, 2, 32), numpy.float32), v, beta)
        with self.assertRaisesRegex(osdn.Unsupported, "q is on meta; supported: CUDA devices"):
            osdn.chunk_osdn(*(x.to("meta") for x in (q, k, v, beta)))


@unittest.skipIf(torch is None or not torch.cuda.is_available(), _why or "there is no CUDA device")
class OnDevice(Tensors):
    device = "cuda"

    def test_graphs(self):
        inputs = self.inputs()
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream), torch.no_grad():
            expected = osdn.chunk_osdn(*inputs)[0]  # prepared before the capture
        stream.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            o = osdn.chunk_osdn(*inputs)[0]
        o.fill_(float("nan"))
        graph.replay()
        torch.cuda.synchronize()
        self.assertTrue(torch.equal(o, expected))


if __name__ == "__main__":
    unittest.main()
