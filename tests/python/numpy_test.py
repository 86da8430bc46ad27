"""Arrays in host memory, on the emulator."""

import os
import subprocess
import sys
import tempfile
import unittest

import numpy
import osdn
from osdn import _abi
from recurrence import TF32, distance, recur

_SEED = int(os.environ.get("OSDN_TEST_SEED", "0")) or int.from_bytes(os.urandom(4), "little")
print("seed: %d" % _SEED)
_random = numpy.random.default_rng(_SEED)


def uniform(low, high, *shape, dtype=numpy.float32):
    return _random.uniform(low, high, shape).astype(dtype)


def inputs(b=2, t=40, h=2, hv=4, k=32, v=48, dtype=numpy.float32):
    return (
        uniform(-0.3, 0.3, b, t, h, k, dtype=dtype),
        uniform(-0.3, 0.3, b, t, h, k, dtype=dtype),
        uniform(-1, 1, b, t, hv, v, dtype=dtype),
        uniform(0, 1, b, t, hv),
    )


class Forward(unittest.TestCase):
    def test_osdn_equals_the_recurrence(self):
        q, k, v, beta = inputs()
        log_gamma = uniform(-0.01, 0, 2, 40, 4)
        state, d = uniform(-1, 1, 2, 4, 32, 48), uniform(0.6, 1.9, 2, 4, 32)
        settings = dict(eta=0.7, norm="add", beta_aware=False, anchor=0.9)
        found = osdn.chunk_osdn(q, k, v, beta, log_gamma, initial_state=state, initial_d=d, output_final_state=True,
                                math="tf32x3", **settings)
        exact = recur(q, k, v, beta, log_gamma, state, d, **settings)
        for name, one, other in zip(("o", "final_state", "final_d"), found, exact):
            self.assertLess(distance(one, other), 3e-4, name)
            self.assertEqual(one.dtype, numpy.float32)

    def test_every_form_of_log_gamma(self):
        q, k, v, beta = inputs(b=1, t=20, hv=2)
        for log_gamma in (-0.02, uniform(-0.05, 0, 2), uniform(-0.05, 0, 1, 20, 2), uniform(-0.05, 0, 1, 20, 2, 32)):
            with self.subTest(rank=numpy.ndim(log_gamma)):
                o, state, d = osdn.chunk_osdn(q, k, v, beta, log_gamma, preset="release-1.3b", math="tf32x3",
                                              output_final_state=True)
                exact = recur(q, k, v, beta, log_gamma, eta=1.0, d_min=0, d_max=1e9, norm="one", beta_aware=False)
                self.assertLess(distance(o, exact[0]), 3e-4)
                self.assertLess(distance(d, exact[2]), 1e-4)

    def test_float16_l2norm_and_scale(self):
        q, k, v, beta = inputs(dtype=numpy.float16)
        o, state, d = osdn.chunk_osdn(q, k, v, beta.astype(numpy.float16), use_qk_l2norm_in_kernel=True, scale=0.5)
        exact = recur(q, k, v, beta.astype(numpy.float16), l2norm=True, scale=0.5)
        self.assertEqual(o.dtype, numpy.float16)
        self.assertIsNone(state)
        self.assertIsNone(d)
        self.assertLess(distance(o, exact[0]), 2e-2)

    def test_packed_sequences(self):
        q, k, v, beta = inputs(b=1, t=33, hv=2)
        boundaries = numpy.array([0, 7, 7, 33])
        o, state = osdn.chunk_delta_rule(q, k, v, beta, output_final_state=True, cu_seqlens=boundaries)
        self.assertEqual(state.shape, (3, 2, 32, 48))
        for n, (begin, end) in enumerate(zip(boundaries, boundaries[1:])):
            one = recur(*(x[:, begin:end] for x in (q, k, v, beta)), osdn=False)
            if end > begin:
                self.assertLess(distance(o[:, begin:end], one[0]), TF32)
                self.assertLess(distance(state[n : n + 1], one[1]), TF32)
        self.assertTrue((state[1] == 0).all())

    def test_arrays_need_not_be_dense(self):
        packed = uniform(-0.3, 0.3, 1, 20, 3, 2, 32)
        q, k, v = (packed[:, :, i] for i in range(3))
        beta = uniform(0, 1, 1, 20, 2)
        o, _, _ = osdn.chunk_osdn(q, k, v, beta, math="tf32x3")
        self.assertLess(distance(o, recur(q, k, v, beta)[0]), 3e-4)
        backwards = [x[:, ::-1] for x in (q, k, v, beta)]
        o, _, _ = osdn.chunk_osdn(*backwards, math="tf32x3")
        self.assertLess(distance(o, recur(*backwards)[0]), 3e-4)

    def test_no_tokens(self):
        q, k, v, beta = inputs(b=1, t=0, hv=2)
        state, d = uniform(-1, 1, 1, 2, 32, 48), uniform(0.6, 1.9, 1, 2, 32)
        o, final, final_d = osdn.chunk_osdn(q, k, v, beta, initial_state=state, initial_d=d, output_final_state=True)
        self.assertEqual(o.shape, (1, 0, 2, 48))
        numpy.testing.assert_array_equal(final, state)
        numpy.testing.assert_array_equal(final_d, d)


class Decode(unittest.TestCase):
    def test_goes_on_where_a_pass_ended(self):
        q, k, v, beta = inputs(t=26)
        cut = [x[:, :23] for x in (q, k, v, beta)], [x[:, 23:] for x in (q, k, v, beta)]
        _, state, d = osdn.chunk_osdn(*cut[0], output_final_state=True, math="tf32x3")
        o = osdn.decode_osdn(*cut[1], state, d)
        exact = recur(q, k, v, beta)
        self.assertLess(distance(o, exact[0][:, 23:]), 3e-4)
        self.assertLess(distance(state, exact[1]), 3e-4)
        self.assertLess(distance(d, exact[2]), 1e-4)

    def test_slots(self):
        q, k, v, beta = inputs(b=3, t=2, hv=2)
        state, d = uniform(-1, 1, 5, 2, 32, 48), uniform(0.6, 1.9, 5, 2, 32)
        before, before_d = state.copy(), d.copy()
        o = osdn.decode_osdn(q, k, v, beta, state, d, state_slots=numpy.array([4, -1, 0]))
        for row, slot in ((0, 4), (2, 0)):
            exact = recur(*(x[row : row + 1] for x in (q, k, v, beta)), None, before[slot : slot + 1],
                          before_d[slot : slot + 1])
            self.assertLess(distance(o[row : row + 1], exact[0]), 1e-4)
            self.assertLess(distance(state[slot : slot + 1], exact[1]), 1e-4)
        self.assertTrue((o[1] == 0).all())
        for slot in (1, 2, 3):
            numpy.testing.assert_array_equal(state[slot], before[slot])
            numpy.testing.assert_array_equal(d[slot], before_d[slot])

    def test_fused_recurrent_keeps_what_it_is_given(self):
        q, k, v, beta = inputs(b=1, t=3, hv=2)
        state = uniform(-1, 1, 1, 2, 32, 48)
        before = state.copy()
        o, final = osdn.fused_recurrent_delta_rule(q, k, v, beta, initial_state=state, output_final_state=True)
        exact = recur(q, k, v, beta, None, state, osdn=False)
        self.assertLess(distance(o, exact[0]), 1e-4)
        self.assertLess(distance(final, exact[1]), 1e-4)
        o, none = osdn.fused_recurrent_delta_rule(q, k, v, beta, initial_state=state)
        self.assertIsNone(none)
        numpy.testing.assert_array_equal(state, before)
        o, none = osdn.fused_recurrent_delta_rule(q, k, v)
        self.assertLess(distance(o, recur(q, k, v, numpy.ones_like(beta), osdn=False)[0]), 1e-4)


class Refusals(unittest.TestCase):
    def refused(self, kind, words, call, *arguments, **named):
        with self.assertRaises(kind) as caught:
            call(*arguments, **named)
        self.assertIn(words, str(caught.exception))

    def test_names_what_is_wrong(self):
        q, k, v, beta = inputs(b=1, t=5)
        bad, no = osdn.InvalidArgument, osdn.Unsupported
        f = osdn.chunk_osdn
        self.refused(bad, "q is a list", f, [1], k, v, beta)
        self.refused(bad, "k is a list, but q is not", f, q, [1], v, beta)
        self.refused(bad, "k has shape [1,4,2,32]; wanted: [B,T,H,K] = [1,5,2,32]", f, q, k[:, :4], v, beta)
        self.refused(bad, "beta has shape [1,5,3]", f, q, k, v, beta[..., :3])
        self.refused(bad, "k is of float64", f, q, k.astype(numpy.float64), v, beta)
        self.refused(bad, "q is of int32", f, q.astype(numpy.int32), k, v, beta)
        self.refused(bad, "beta is of float64", f, q, k, v, beta.astype(numpy.float64))
        self.refused(no, "K, the size of a head, is 24", f, q[..., :24], k[..., :24], v, beta)
        self.refused(bad, "preset was 'best'; allowed: 'paper'", f, q, k, v, beta, preset="best")
        self.refused(bad, "norm was 'l2'", f, q, k, v, beta, norm="l2")
        self.refused(bad, "initial_state has shape [3]", f, q, k, v, beta, initial_state=numpy.zeros(3))
        self.refused(bad, "log_gamma belongs to precondition='osdn'", f, q, k, v, beta, -0.1, precondition="none")
        self.refused(bad, "math", f, q, k, v, beta, math="fp8")
        self.refused(bad, "eta", f, q, k, v, beta, eta=-1)
        self.refused(no, "head_first=True is not supported", osdn.chunk_delta_rule, q, k, v, beta, head_first=True)
        self.refused(no, "one a head: [B,T,HV]", osdn.fused_recurrent_delta_rule, q, k, v, v)
        self.refused(bad, "d is of float16; it is always float32", osdn.decode_osdn, q, k, v, beta,
                     numpy.zeros((1, 4, 32, 48), numpy.float32), numpy.ones((1, 4, 32), numpy.float16))
        self.refused(bad, "d belongs to precondition='osdn'", osdn.decode_osdn, q, k, v, beta,
                     numpy.zeros((1, 4, 32, 48), numpy.float32))

    def test_what_python_itself_would_stumble_over(self):
        q, k, v, beta = inputs(b=1, t=5)
        bad, no, f = osdn.InvalidArgument, osdn.Unsupported, osdn.chunk_osdn
        self.refused(bad, "engine is a str; wanted: an osdn.Engine", f, q, k, v, beta, engine="x")
        self.refused(bad, "engine is a str; wanted: an osdn.Engine", osdn.set_default_engine, "x")
        self.refused(bad, "device was 4294967296", osdn.Engine, 2**32)
        engine = osdn.default_engine()
        self.refused(bad, "has a NUL in it", engine.prepare, "osdn_forward:k=32,v=32\0,k=64", (1, 8, 1, 1, 0))
        for size in (-1, 2**64 + 8):
            self.refused(bad, "size was %d; wanted: bytes" % size, engine.allocate, size)
        for name in ("eta", "d_min", "d_max", "norm_eps", "anchor", "scale"):
            for value in ("x", True, [1.0], 1j):
                self.refused(bad, "%s was %r; wanted: a number" % (name, value), f, q, k, v, beta, **{name: value})
        for name in ("beta_aware", "use_qk_l2norm_in_kernel"):
            for value in ("x", 2, [True]):
                self.refused(bad, "%s was %r; wanted: True or False" % (name, value), f, q, k, v, beta, **{name: value})
        for value in (0, -0.0, 1e-50):  # what the C interface means its default by
            self.refused(bad, "scale was %r; wanted: a number that is not 0" % value, f, q, k, v, beta, scale=value)
        f(q, k, v, beta, beta_aware=numpy.bool_(False), eta=numpy.float32(0.1))
        self.refused(bad, "math was None; allowed: 'tf32', 'tf32x3'", f, q, k, v, beta, math=None)
        self.refused(bad, "v is None; it must be given", f, q, k, None, beta)
        self.refused(bad, "v is None; it must be given", osdn.fused_recurrent_delta_rule, q, k, None)
        self.refused(bad, "q is a float32; allowed", f, numpy.float32(1), k, v, beta)
        self.refused(bad, "q has shape [5,2,32]; wanted: [B,T,H,K]", f, q[0], k, v, beta)
        self.refused(bad, "beta has shape []; wanted: [B,T,HV]", f, q, k, v, numpy.array(1, numpy.float32))
        self.refused(bad, "log_gamma belongs to precondition='osdn'", osdn.decode_osdn, q, k, v, beta,
                     numpy.zeros((1, 4, 32, 48), numpy.float32), log_gamma=-0.1, precondition="none")
        self.refused(bad, "field b was '0'", f, *inputs(b=0))
        self.refused(bad, "field h was '0'", f, *inputs(h=0, hv=0))
        self.refused(bad, "state has shape [1,4,48,32]", osdn.decode_osdn, q, k, v, beta,
                     numpy.zeros((1, 4, 48, 32), numpy.float32), numpy.ones((1, 4, 32), numpy.float32))
        for function in (osdn.chunk_delta_rule, osdn.fused_recurrent_delta_rule):
            self.refused(no, "does not support g, mask; supported: q, k, v, beta, scale, initial_state, output_final_state",
                         function, q, k, v, beta, mask=None, g=beta)
            self.refused(bad, "initial_state is a str", function, q, k, v, beta, initial_state="x")

    def test_types_that_would_be_read_as_others(self):
        q, k, v, beta = inputs(b=1, t=5)
        bad, f = osdn.InvalidArgument, osdn.chunk_osdn
        self.refused(bad, "q is of object; allowed: float16", f, q.astype(object), k, v, beta)
        self.refused(bad, "beta is of object; allowed: float32", f, q, k, v, beta.astype(object))
        for name, of in (("object", object), ("complex64", numpy.complex64), ("int64", numpy.int64), ("bool", bool)):
            given = numpy.zeros(4, of)
            self.refused(bad, "log_gamma is of %s; wanted: float32" % name, f, q, k, v, beta, given)
            self.refused(bad, "initial_state is of %s; wanted: float32" % name, f, q, k, v, beta,
                         initial_state=numpy.zeros((1, 4, 32, 48), of))
        swapped = numpy.dtype(numpy.float32).newbyteorder()
        others = [x.astype(swapped) for x in (q, k, v)]
        self.refused(bad, "in the machine's byte order", f, *others, beta)
        self.refused(bad, "beta is of %s" % swapped, f, q, k, v, beta.astype(swapped))
        numpy.testing.assert_array_equal(  # what is converted anyway may have any order
            f(q, k, v, beta, numpy.full(4, -0.5, swapped))[0], f(q, k, v, beta, numpy.full(4, -0.5, numpy.float32))[0])
        self.refused(bad, "q is a MaskedArray", f, numpy.ma.array(q, mask=True), k, v, beta)
        self.refused(bad, "cu_seqlens is of bool", f, q[:, :1], k[:, :1], v[:, :1], beta[:, :1],
                     cu_seqlens=numpy.array([False, True]))

    def test_values_in_host_memory_are_looked_at_before_a_device_faults(self):
        q, k, v, beta = inputs(b=1, t=5)
        bad, f = osdn.InvalidArgument, osdn.chunk_osdn
        self.refused(bad, "k is None; it must be given", f, q, None, v, beta)
        self.refused(bad, "cu_seqlens is a list, but q is not", f, q, k, v, beta, cu_seqlens=[0, 5])
        for boundaries in ([0, 4], [0, 500], [1, 5], [-1, 5], [0, 4, 3, 5], [0.0, 5.0]):
            given = numpy.array(boundaries)
            self.refused(bad, "wanted: integers from 0 to T=5", f, q, k, v, beta, cu_seqlens=given)
            self.refused(bad, "wanted: integers from 0 to T=5", osdn.fused_recurrent_delta_rule, q, k, v, beta,
                         cu_seqlens=given)
        q, k, v, beta = inputs(b=2, t=1)
        state, d = numpy.zeros((3, 4, 32, 48), numpy.float32), numpy.ones((3, 4, 32), numpy.float32)
        self.refused(bad, "state_slots is of float64; wanted: integers", osdn.decode_osdn, q, k, v, beta, state, d,
                     state_slots=numpy.array([0.0, 1.0]))
        for slots in ([0, 3], [1, 1], [0, 2**32 + 1]):
            self.refused(bad, "wanted: integers below the pool's 3 rows", osdn.decode_osdn, q, k, v, beta, state, d,
                         state_slots=numpy.array(slots))
        osdn.decode_osdn(q, k, v, beta, state, d, state_slots=numpy.array([-1, -1]))  # padding may be repeated
        state.flags.writeable = False
        self.refused(bad, "state is read-only", osdn.decode_osdn, q, k, v, beta, state, d)
        o, _, _ = f(q, k, v, beta, numpy.float32(-0.25))  # a float of NumPy is a number
        numpy.testing.assert_array_equal(o, f(q, k, v, beta, -0.25)[0])

    def test_they_are_the_errors_of_python_too(self):
        self.assertTrue(issubclass(osdn.InvalidArgument, ValueError))
        self.assertTrue(issubclass(osdn.Unsupported, NotImplementedError))


class Engines(unittest.TestCase):
    def test_says_what_it_is_and_counts(self):
        engine = osdn.Engine(driver_library=osdn.emulator(), tuning="off")
        self.assertEqual(engine.device["emulated"], 1)
        q, k, v, beta = inputs(b=1, t=5)
        osdn.chunk_osdn(q, k, v, beta, engine=engine)
        self.assertEqual(engine.counters["launches"], 1)
        self.assertEqual(engine.counters["allocated_bytes"], 0)
        with self.assertRaises(osdn.Error) as caught:
            osdn.Engine(driver_library="/nowhere/libcuda.so.1")
        self.assertIn("/nowhere/libcuda.so.1", str(caught.exception))
        self.assertEqual(caught.exception.status, "OSDN_LIBRARY_NOT_FOUND")
        self.assertEqual(osdn.version(), osdn.__version__)
        self.assertRaises(osdn.InvalidArgument, osdn.Engine, driver_library="a\0b")

    def test_finds_the_emulator_where_an_installed_library_has_it(self):
        with tempfile.TemporaryDirectory() as root:
            lib, elsewhere = os.path.join(root, "lib"), os.path.join(root, "elsewhere")
            os.makedirs(os.path.join(lib, "osdn"))
            os.mkdir(elsewhere)
            os.symlink(os.path.abspath(_abi.library().path), os.path.join(lib, "libosdn.so.0"))
            for folder in (os.path.join(lib, "osdn"), elsewhere):  # what lies where one happens to stand is not meant
                open(os.path.join(folder, "libosdn_emulator.so"), "w").close()
            without = {name: value for name, value in os.environ.items() if not name.startswith("OSDN_")}
            package = os.path.dirname(os.path.dirname(os.path.abspath(osdn.__file__)))
            found = subprocess.run(
                [sys.executable, "-c", "import osdn; print(osdn.emulator())"],
                env=dict(without, LD_LIBRARY_PATH=lib, PYTHONPATH=package),
                cwd=elsewhere,
                stdout=subprocess.PIPE,
                check=True,
            )
            self.assertEqual(found.stdout.decode().strip(), os.path.join(lib, "osdn", "libosdn_emulator.so"))


if __name__ == "__main__":
    unittest.main()
