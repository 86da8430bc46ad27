"""The recurrence of docs/math.md in float64, token by token: what the package's answers are compared with."""

import numpy


def recur(q, k, v, beta, log_gamma=None, state=None, d=None, *, osdn=True, eta=0.003, d_min=0.5, d_max=2.0, norm="max",
          norm_eps=1e-6, beta_aware=True, anchor=0.0, l2norm=False, scale=None):
    """One batch without packing: (o, final state, final d)."""
    q, k, v, beta = (numpy.asarray(x, numpy.float64) for x in (q, k, v, beta))
    b, t, h, dim = q.shape
    hv, value = v.shape[2:]
    if l2norm:
        q, k = (x / numpy.sqrt((x * x).sum(-1, keepdims=True) + 1e-6) for x in (q, k))
    q, k = (numpy.repeat(x, hv // h, axis=2) for x in (q, k))
    state = numpy.zeros((b, hv, dim, value)) if state is None else numpy.array(state, numpy.float64)
    d = numpy.ones((b, hv, dim)) if d is None else numpy.array(d, numpy.float64)
    o = numpy.empty((b, t, hv, value))
    for i in range(t):
        kt, bt = k[:, i], beta[:, i, :, None]
        u = bt * (v[:, i] - numpy.einsum("bhkv,bhk->bhv", state, kt))
        state = state + numpy.einsum("bhk,bhv->bhkv", d * kt, u)
        o[:, i] = numpy.einsum("bhkv,bhk->bhv", state, q[:, i]) * (dim**-0.5 if scale is None else scale)
        if not osdn:
            continue
        s = kt * kt
        b_mode = bt if beta_aware else 1.0
        z = 1 - b_mode * (d * s).sum(-1, keepdims=True)
        square = s.sum(-1, keepdims=True)
        n = {"max": numpy.maximum(square, norm_eps), "add": square + norm_eps, "one": 1.0}[norm]
        gamma = 1.0
        if log_gamma is not None:
            x = numpy.asarray(log_gamma, numpy.float64)
            x = {0: lambda: x, 1: lambda: x[None, :, None], 3: lambda: x[:, i, :, None], 4: lambda: x[:, i]}[x.ndim]()
            gamma = numpy.exp(x)
        d = numpy.clip(anchor + gamma * (d - anchor) + eta * b_mode * z / n * s, d_min, d_max)
    return o, state, d


# Of the largest error over the root mean square, where products are TF32: five times the 1.5e-3 that docs/math.md allows
# the root mean square of the errors.
TF32 = 7.5e-3


def distance(found, exact):
    """The largest error over the root mean square."""
    found = numpy.asarray(found, numpy.float64)
    assert found.shape == exact.shape, (found.shape, exact.shape)
    if not numpy.isfinite(found).all():
        return numpy.inf
    return numpy.abs(found - exact).max() / numpy.sqrt((exact * exact).mean())
