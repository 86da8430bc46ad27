"""Public kernels that compute the same kind of thing, timed as bench_forward times ours.

Each is imported only when asked for: what is absent is said, not an error. All compute less than OSDN: the delta rule
without a preconditioner, or with a decay in its place.
"""

import importlib
import math

CACHES = 3  # second-level caches that the sets of inputs together exceed
MOST_SETS = 64


def recurrence(torch, q, k, v, beta, decay):
    """o of the (gated) delta rule, token by token in float64; [B,T,H,D], decay the factor of the state."""
    b, t, h, d = q.shape
    q, k, v, beta, decay = (x.double() for x in (q, k, v, beta, decay))
    state = torch.zeros(b, h, d, v.shape[-1], dtype=torch.float64, device=q.device)
    o = torch.empty_like(v)
    for i in range(t):
        state = state * decay[:, i, :, None, None]
        u = beta[:, i, :, None] * (v[:, i] - torch.einsum("bhkv,bhk->bhv", state, k[:, i]))
        state = state + torch.einsum("bhk,bhv->bhkv", k[:, i], u)
        o[:, i] = torch.einsum("bhkv,bhk->bhv", state, q[:, i]) / math.sqrt(d)
    return o


class Peer:
    """One public function. `gated`: it takes a decay, which ours does not have."""

    def __init__(self, name, module, gated, packed_only=False):
        self.name, self.module, self.gated, self.packed_only = name, module, gated, packed_only
        self.checked = {}

    def load(self):
        """Raises what importing raises."""
        self.torch = importlib.import_module("torch")
        if not self.torch.cuda.is_available():
            raise RuntimeError("torch sees no GPU")
        module = importlib.import_module(self.module)
        self.function = getattr(module, self.name.split(".")[-1])
        self.version = getattr(importlib.import_module(self.module.split(".")[0]), "__version__", "unknown")

    def inputs(self, shape):
        torch = self.torch
        b, t, h, hv, k, v = (shape[x] for x in ("b", "t", "h", "hv", "k", "v"))
        kw = {"device": "cuda", "dtype": torch.bfloat16}

        def unit(heads):
            return torch.nn.functional.normalize(torch.randn(b, t, heads, k, **kw), dim=-1)

        out = {"q": unit(h), "k": unit(h), "v": torch.randn(b, t, hv, v, **kw)}
        out["beta"] = torch.rand(b, t, hv, device="cuda").float()
        if self.gated:
            out["g"] = torch.nn.functional.logsigmoid(torch.randn(b, t, hv, device="cuda") + 4).float()
        elif h != hv:  # it wants as many key heads as value heads: they are repeated before anything is timed
            out["q"] = out["q"].repeat_interleave(hv // h, dim=2)
            out["k"] = out["k"].repeat_interleave(hv // h, dim=2)
        return out

    def call(self, x, starts):
        kw = {} if starts is None else {"cu_seqlens": starts}
        beta = x["beta"] if self.gated else x["beta"].to(x["q"].dtype)
        if self.packed_only:
            b, t = x["q"].shape[:2]
            if starts is None:
                kw["cu_seqlens"] = self.even_starts(b, t)
            flat = [x[n].flatten(0, 1) for n in ("q", "k", "v")]
            return self.function(*flat, g=x["alpha"].flatten(0, 1), beta=beta.flatten(0, 1), **kw)
        if self.gated:
            return self.function(x["q"], x["k"], x["v"], g=x["g"], beta=beta, **kw)
        return self.function(x["q"], x["k"], x["v"], beta=beta, **kw)

    def even_starts(self, b, t):
        key = ("starts", b, t)
        if key not in self.checked:
            self.checked[key] = self.torch.arange(0, (b + 1) * t, t, device="cuda", dtype=self.torch.int64)
        return self.checked[key]

    def prepared(self, shape):
        x = self.inputs(shape)
        if self.packed_only:
            x["alpha"] = x["g"].exp()
        return x

    def check(self, shape):
        """Relative RMS against the recurrence, on a small batch of the same head dimensions."""
        torch = self.torch
        if shape["k"] not in self.checked:
            small = dict(shape, b=1, t=192, h=2, hv=2, lengths=[])
            x = self.prepared(small)
            o = self.call(x, None)
            o = (o[0] if isinstance(o, tuple) else o).reshape(x["v"].shape).double()
            decay = x["g"].exp() if self.gated else torch.ones_like(x["beta"])
            right = recurrence(torch, x["q"], x["k"], x["v"], x["beta"], decay)
            self.checked[shape["k"]] = float((o - right).norm() / right.norm())
        return self.checked[shape["k"]]

    def open(self, shape, launches):
        """Something with sample() in seconds, and notes on how it was timed."""
        return Timed(self, shape, launches)


class Timed:
    """A graph of launches that go through sets of inputs in turn, replayed between two events."""

    def __init__(self, peer, shape, launches):
        torch = self.torch = peer.torch
        self.notes = {"check": {"relative_rms": peer.check(shape), "against": "the recurrence in float64, 192 tokens"}}
        first = peer.prepared(shape)
        size = sum(x.numel() * x.element_size() for x in first.values())
        cache = torch.cuda.get_device_properties(0).L2_cache_size
        count = max(1, min(CACHES * cache // size + 1, MOST_SETS))
        self.sets = [first] + [peer.prepared(shape) for _ in range(count - 1)]
        starts = None
        if shape["lengths"]:
            starts = torch.tensor([0] + shape["lengths"], device="cuda", dtype=torch.int64).cumsum(0)
        self.launches = (launches + count - 1) // count * count
        self.start, self.end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

        def turn():
            with torch.no_grad():
                for i in range(self.launches):
                    peer.call(self.sets[i % count], starts)

        for _ in range(3):  # compiles, and lets its own tuning end
            turn()
        torch.cuda.synchronize()
        self.turn = turn
        try:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                turn()
            self.turn = graph.replay
            self.notes["method"] = "graph replay"
        except Exception as error:  # noqa: BLE001: whatever a capture cannot take
            torch.cuda.synchronize()
            self.notes["method"] = f"without a graph, it cannot be captured: {str(error).splitlines()[0]}"
        self.notes["input_sets"] = count
        self.notes["launches_per_replay"] = self.launches
        for _ in range(2):
            self.sample()

    def sample(self):
        self.start.record()
        self.turn()
        self.end.record()
        self.end.synchronize()
        return 1e-3 * self.start.elapsed_time(self.end) / self.launches

    def close(self):
        self.turn = self.sets = None
        self.torch.cuda.empty_cache()


PEERS = [
    Peer("fla.chunk_delta_rule", "fla.ops.delta_rule", gated=False),
    Peer("fla.chunk_gated_delta_rule", "fla.ops.gated_delta_rule", gated=True),
    Peer("flash_qla.chunk_gated_delta_rule", "flash_qla", gated=True),
    Peer("flashinfer.chunk_gated_delta_rule", "flashinfer.gdn_prefill", gated=True, packed_only=True),
]
