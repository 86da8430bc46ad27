"""The calls: on NumPy arrays (osdn._numpy) and on torch tensors (osdn._torch)."""

import sys

from . import _calls


def _kind(array):
    """The module that computes on such arrays. torch is never imported: whoever has a tensor has done so."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        from . import _torch

        return _torch
    from . import _numpy

    if _numpy.is_array(array):
        return _numpy
    raise _calls.invalid("q is a %s; allowed: a torch.Tensor or a numpy.ndarray" % type(array).__name__)


def _same_kind(kind, **arrays):
    for name, array in arrays.items():
        if array is None and name in ("k", "v", "beta", "state"):
            raise _calls.invalid("%s is None; it must be given" % name)
        if array is not None and not kind.is_array(array):
            raise _calls.invalid("%s is a %s, but q is not; give arrays of one kind" % (name, type(array).__name__))


def _head_dimensions(dims):
    for name, size in zip("KV", dims):
        if size % 16 != 0 or not 16 <= size <= 256:
            raise _calls.unsupported(
                "%s, the size of a head, is %d; there are kernels for multiples of 16 from 16 to 256" % (name, size)
            )


class _Call:
    """What both operations ask of their arguments: arrays of one kind whose sizes and types fit together."""

    def __init__(self, q, k, v, beta, log_gamma, cu_seqlens, engine, **states):
        self.kind = kind = _kind(q)
        self._given = log_gamma
        self.log_gamma = tensor = None if _calls.is_number(log_gamma) else log_gamma
        more = dict(states, log_gamma=tensor, cu_seqlens=cu_seqlens)
        _same_kind(kind, k=k, v=v, beta=beta, **more)
        self.shape, self.dims = _calls.sizes(q, k, v, beta, tensor, cu_seqlens)
        _head_dimensions(self.dims)
        _calls.expect_kinds_of_numbers(kind, self.shape[1], **more)
        self.types = _calls.types(kind, q, k, v, beta)
        kind.check(engine, q=q, k=k, v=v, beta=beta, **more)

    def problem(self, operation, precondition, preset, given, scale, l2norm, math, state_type="fp32"):
        """The problem's text and the numbers of the launch."""
        if precondition not in ("osdn", "none"):
            raise _calls.invalid("precondition was %r; allowed: 'osdn', 'none'" % (precondition,))
        if precondition == "none" and self._given is not None:
            raise _calls.invalid("log_gamma belongs to precondition='osdn'; DeltaNet has none")
        modes = _calls.settings(preset, given)
        apf, constant = _calls.apf_of(self._given)
        text = _calls.problem_text(
            operation, self.dims, self.types, precondition, apf, modes, l2norm, math, state_type
        )
        return text, _calls.numbers(modes, constant, scale)


def chunk_osdn(
    q,
    k,
    v,
    beta,
    log_gamma=None,
    *,
    scale=None,
    initial_state=None,
    initial_d=None,
    output_final_state=False,
    cu_seqlens=None,
    use_qk_l2norm_in_kernel=False,
    preset=None,
    eta=None,
    d_min=None,
    d_max=None,
    norm=None,
    norm_eps=None,
    beta_aware=None,
    anchor=None,
    precondition="osdn",
    math="tf32",
    engine=None,
):
    """A pass over whole sequences: Online Scaled DeltaNet (arXiv 2605.13473), or DeltaNet with precondition="none".

    q, k: [B,T,H,K]; v: [B,T,HV,V], HV a multiple of H; beta: [B,T,HV], float32 or q's type. log_gamma (at most 0) is a
    number or an array [HV], [B,T,HV] or [B,T,HV,K]. initial_state: [N,HV,K,V], initial_d: [N,HV,K], float32; N is B,
    or with cu_seqlens [N+1] the number of sequences that lie end to end in a batch of 1. preset: "paper",
    "release-340m" or "release-1.3b"; the numbers behind it override it.

    Returns (o, final_state, final_d); the last two are None unless output_final_state.
    """
    call = _Call(q, k, v, beta, log_gamma, cu_seqlens, engine, initial_state=initial_state, initial_d=initial_d)
    _calls.expect_states(call.shape, call.dims, initial_state=initial_state, initial_d=initial_d)
    if precondition == "none" and initial_d is not None:
        raise _calls.invalid("initial_d belongs to precondition='osdn'; DeltaNet has none")
    given = dict(eta=eta, d_min=d_min, d_max=d_max, norm=norm, norm_eps=norm_eps, beta_aware=beta_aware, anchor=anchor)
    problem, values = call.problem("osdn_forward", precondition, preset, given, scale, use_qk_l2norm_in_kernel, math)
    wants = (bool(output_final_state), bool(output_final_state) and precondition != "none")
    return call.kind.forward(
        q, k, v, beta, call.log_gamma, initial_state, initial_d, cu_seqlens, call.shape, problem, values, wants, engine
    )


def decode_osdn(
    q,
    k,
    v,
    beta,
    state,
    d=None,
    log_gamma=None,
    *,
    scale=None,
    state_slots=None,
    cu_seqlens=None,
    use_qk_l2norm_in_kernel=False,
    preset=None,
    eta=None,
    d_min=None,
    d_max=None,
    norm=None,
    norm_eps=None,
    beta_aware=None,
    anchor=None,
    precondition="osdn",
    engine=None,
):
    """A few new tokens of each sequence; the states are updated where they are.

    Arrays as in chunk_osdn. state: [slots,HV,K,V], float32 or bfloat16, and d: [slots,HV,K], float32 (not with
    precondition="none"), are pools whose rows state_slots [N] (int32; negative: padding) maps sequences to; None:
    sequence n has row n. Returns o; rows of padding are zeros.
    """
    call = _Call(q, k, v, beta, log_gamma, cu_seqlens, engine, state=state, d=d, state_slots=state_slots)
    _pools(call.shape, call.dims, state, d, state_slots)
    if d is not None and call.kind.element(d) != "fp32":
        raise _calls.invalid("d is of %s; it is always float32" % d.dtype)
    if (precondition == "none") != (d is None):
        raise _calls.invalid(
            "d belongs to precondition='osdn', where it is learned from call to call: give numpy.ones or torch.ones of "
            "[slots,HV,K] at first; with precondition='none' leave it out"
        )
    given = dict(eta=eta, d_min=d_min, d_max=d_max, norm=norm, norm_eps=norm_eps, beta_aware=beta_aware, anchor=anchor)
    problem, values = call.problem(
        "osdn_decode", precondition, preset, given, scale, use_qk_l2norm_in_kernel, "tf32", _state_type(call.kind, state)
    )
    return call.kind.decode(
        q, k, v, beta, call.log_gamma, cu_seqlens, state, d, state_slots, call.shape, problem, values, engine
    )


def _state_type(kind, state):
    found = kind.element(state)
    if found not in ("fp32", "bf16"):
        raise _calls.invalid("state is of %s; allowed: float32 and bfloat16" % state.dtype)
    return found


def _pools(shape, dims, state, d, state_slots):
    hv, rows = shape[3], shape[4] or shape[0]
    if len(state.shape) != 4 or tuple(state.shape[1:]) != (hv,) + tuple(dims):
        raise _calls.invalid(
            "state has shape %s; wanted: [slots,HV=%d,K=%d,V=%d]" % (_calls.shape_text(state), hv, dims[0], dims[1])
        )
    if d is not None and tuple(d.shape) != (state.shape[0], hv, dims[0]):
        raise _calls.invalid(
            "d has shape %s; wanted: [slots=%d,HV=%d,K=%d]" % (_calls.shape_text(d), state.shape[0], hv, dims[0])
        )
    if state_slots is not None and tuple(state_slots.shape) != (rows,):
        raise _calls.invalid("state_slots has shape %s; wanted: [N=%d]" % (_calls.shape_text(state_slots), rows))
    if state_slots is None and state.shape[0] < rows:
        raise _calls.invalid("state has %d rows for %d sequences; give each one, or state_slots" % (state.shape[0], rows))


def _only(function, supported, others):
    """Refuses arguments that flash-linear-attention has in some version, or that nobody has."""
    if others:
        raise _calls.unsupported(
            "%s does not support %s; supported: %s" % (function, ", ".join(sorted(others)), ", ".join(supported))
        )


_DROP_IN = (
    "q", "k", "v", "beta", "scale", "initial_state", "output_final_state", "use_qk_l2norm_in_kernel", "cu_seqlens"
)  # fmt: skip


def chunk_delta_rule(
    q,
    k,
    v,
    beta,
    scale=None,
    initial_state=None,
    output_final_state=False,
    use_qk_l2norm_in_kernel=False,
    cu_seqlens=None,
    head_first=False,
    **others,
):
    """DeltaNet with flash-linear-attention's signature and layout: returns (o, final_state or None).

    Also computes what that function refuses: float32, and more heads of v than of k."""
    _only("chunk_delta_rule", _DROP_IN, others)
    if head_first:
        raise _calls.unsupported("head_first=True is not supported: pass [B,T,H,...], as a view if need be")
    o, state, _ = chunk_osdn(
        q,
        k,
        v,
        beta,
        scale=scale,
        initial_state=initial_state,
        output_final_state=output_final_state,
        cu_seqlens=cu_seqlens,
        use_qk_l2norm_in_kernel=use_qk_l2norm_in_kernel,
        precondition="none",
    )
    return o, state


def fused_recurrent_delta_rule(
    q,
    k,
    v,
    beta=None,
    scale=None,
    initial_state=None,
    output_final_state=False,
    use_qk_l2norm_in_kernel=False,
    cu_seqlens=None,
    **others,
):
    """DeltaNet token by token, with flash-linear-attention's signature and layout: returns (o, final_state or None).

    For a few tokens a sequence; chunk_delta_rule is faster for many. beta is [B,T,HV], or None for ones."""
    _only("fused_recurrent_delta_rule", _DROP_IN, others)
    kind = _kind(q)
    _same_kind(kind, k=k, v=v, initial_state=initial_state)
    if beta is None:
        beta = kind.ones(v.shape[:-1], v)
    if len(getattr(beta, "shape", ())) == 4:
        raise _calls.unsupported("beta has a value for each feature of v; there are kernels for one a head: [B,T,HV]")
    call = _Call(q, k, v, beta, None, cu_seqlens, None, initial_state=initial_state)
    _calls.expect_states(call.shape, call.dims, initial_state=initial_state)
    # The step updates states where they are, and the caller's stay as they are.
    if initial_state is None:
        final = kind.zeros((call.shape[4] or call.shape[0], call.shape[3]) + tuple(call.dims), q)
    else:
        final = kind.float32_copy(initial_state)
    o = decode_osdn(
        q,
        k,
        v,
        beta,
        final,
        scale=scale,
        cu_seqlens=cu_seqlens,
        use_qk_l2norm_in_kernel=use_qk_l2norm_in_kernel,
        precondition="none",
    )
    return o, final if output_final_state else None
