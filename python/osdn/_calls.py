"""What a call computes: a problem's text, its sizes and its numbers, from arrays of either kind."""

import ctypes
import numbers as _numbers

from . import _abi

_APF_OF_RANK = {1: "per_head", 3: "per_token", 4: "per_channel"}
_NORMS = ("max", "add", "one")
_MATHS = ("tf32", "tf32x3")
_NUMBERS_OF_MODES = ("eta", "d_min", "d_max", "norm_eps", "anchor")

#: Published settings (docs/math.md): what `preset=` stands for.
PRESETS = {
    "paper": dict(eta=0.003, d_min=0.5, d_max=2.0, norm="max", norm_eps=1e-6, beta_aware=True),
    "release-340m": dict(eta=0.003, d_min=2.0 / 3.0, d_max=1.5, norm="one", norm_eps=1e-6, beta_aware=False),
    "release-1.3b": dict(eta=1.0, d_min=0.0, d_max=1e9, norm="one", norm_eps=1e-6, beta_aware=False),
}
_DEFAULTS = dict(PRESETS["paper"], anchor=0.0)


def invalid(message):
    return _abi.InvalidArgument(message, "OSDN_INVALID_ARGUMENT")


def unsupported(message):
    return _abi.Unsupported(message, "OSDN_UNSUPPORTED")


def number(name, value):
    if isinstance(value, bool) or not isinstance(value, _numbers.Real):
        raise invalid("%s was %.80r; wanted: a number" % (name, value))
    return float(value)


def flag(name, value):
    whole = isinstance(value, int) or type(value).__name__ in ("bool", "bool_")  # NumPy's are no int
    if not whole or int(value) not in (0, 1):
        raise invalid("%s was %.80r; wanted: True or False" % (name, value))
    return int(value)


def element(kind, name, array):
    found = kind.element(array)
    if found is None:
        raise invalid("%s is of %s; allowed: %s" % (name, array.dtype, kind.ALLOWED))
    return found


def types(kind, q, k, v, beta):
    """(element type, type of beta)"""
    found = element(kind, "q", q)
    for name, array in (("k", k), ("v", v)):
        if array.dtype != q.dtype:
            raise invalid("%s is of %s and q of %s; they must be of one type" % (name, array.dtype, q.dtype))
    if kind.element(beta) == "fp32":
        return found, "fp32"
    if beta.dtype == q.dtype:
        return found, "element"
    raise invalid("beta is of %s; allowed: float32, or %s as q" % (beta.dtype, q.dtype))


def expect_kinds_of_numbers(kind, tokens, **arrays):
    """Of what is converted: numbers that can be."""
    for name, array in arrays.items():
        if array is None:
            continue
        if name == "cu_seqlens":
            good, wanted = kind.is_integer(array), "integers from 0 to T=%d" % tokens
        elif name == "state_slots":
            good, wanted = kind.is_integer(array), "integers below the pool's rows"
        else:
            good, wanted = kind.is_floating(array), "float32, or a floating-point type to make it of"
        if not good:
            raise invalid("%s is of %s; wanted: %s" % (name, array.dtype, wanted))


def settings(preset, given):
    """The numbers and modes of OSDN: those of a preset where nothing else is given."""
    if preset is not None and preset not in list(PRESETS):
        raise invalid("preset was %r; allowed: %s" % (preset, ", ".join(map(repr, PRESETS))))
    out = dict(_DEFAULTS, **(PRESETS[preset] if preset is not None else {}))
    for name, value in given.items():
        if value is not None:
            out[name] = value
    if out["norm"] not in _NORMS:
        raise invalid("norm was %r; allowed: %s" % (out["norm"], ", ".join(map(repr, _NORMS))))
    for name in _NUMBERS_OF_MODES:
        out[name] = number(name, out[name])
    out["beta_aware"] = flag("beta_aware", out["beta_aware"])
    return out


def shape_text(array):
    return "[" + ",".join(str(int(size)) for size in array.shape) + "]"


def _expect(name, array, wanted, words):
    if tuple(array.shape) != tuple(wanted):
        raise invalid("%s has shape %s; wanted: %s = [%s]" % (name, shape_text(array), words, ",".join(map(str, wanted))))


def sizes(q, k, v, beta, log_gamma, cu_seqlens):
    """(b, t, h, hv, n) and (K, V) of a call whose arrays fit together."""
    if len(q.shape) != 4:
        raise invalid("q has shape %s; wanted: [B,T,H,K]" % shape_text(q))
    b, t, h, key = q.shape
    _expect("k", k, (b, t, h, key), "[B,T,H,K]")
    if len(v.shape) != 4 or tuple(v.shape[:2]) != (b, t) or v.shape[2] < h or (h > 0 and v.shape[2] % h != 0):
        raise invalid("v has shape %s; wanted: [B=%d,T=%d,HV,V] with HV a multiple of H=%d" % (shape_text(v), b, t, h))
    hv, value = v.shape[2:]
    _expect("beta", beta, (b, t, hv), "[B,T,HV]")
    if log_gamma is not None:
        wanted = {1: (hv,), 3: (b, t, hv), 4: (b, t, hv, key)}.get(len(log_gamma.shape))
        if wanted is None:
            raise invalid("log_gamma has shape %s; wanted: [HV], [B,T,HV] or [B,T,HV,K]" % shape_text(log_gamma))
        _expect("log_gamma", log_gamma, wanted, "[HV], [B,T,HV] or [B,T,HV,K]")
    n = 0
    if cu_seqlens is not None:
        if len(cu_seqlens.shape) != 1 or cu_seqlens.shape[0] < 2:
            raise invalid("cu_seqlens has shape %s; wanted: [N+1], from 0 to T" % shape_text(cu_seqlens))
        if b != 1:
            raise invalid("the batch is %d; packed sequences (cu_seqlens) need one of 1: lay them end to end" % b)
        n = cu_seqlens.shape[0] - 1
    return (b, t, h, hv, n), (key, value)


def expect_boundaries(values, tokens):
    """Of sequences in host memory: on a device a wrong one is a fault of the whole context, or an answer of nobody."""
    rising = all(one <= other for one, other in zip(values, values[1:]))
    if not rising or values[0] != 0 or values[-1] != tokens:
        raise invalid("cu_seqlens is %s; wanted: integers from 0 to T=%d, none below the one before" % (values, tokens))


def expect_slots(values, slots):
    """Of pools in host memory: one row for each sequence, none for two; negative: padding."""
    used = [value for value in values if value >= 0]
    if len(set(used)) != len(used) or any(value >= slots for value in used):
        raise invalid(
            "state_slots is %s; wanted: integers below the pool's %d rows, none twice (negative: padding)" % (values, slots)
        )


def expect_states(shape, dims, **arrays):
    """States and d are those of each sequence."""
    b, _, _, hv, n = shape
    rows = n if n > 0 else b
    for name, array in arrays.items():
        if array is None:
            continue
        if name.endswith("_d"):
            _expect(name, array, (rows, hv, dims[0]), "[N,HV,K]")
        else:
            _expect(name, array, (rows, hv) + tuple(dims), "[N,HV,K,V]")


def problem_text(operation, dims, types, precondition, apf, modes, qk_l2norm, math, state_type="fp32"):
    """The canonical form, as far as the fields differ from their defaults."""
    if math not in _MATHS:
        raise invalid("math was %r; allowed: %s" % (math, ", ".join(map(repr, _MATHS))))
    element, beta = types
    fields = ["type=" + element, "k=%d" % dims[0], "v=%d" % dims[1], "precondition=" + precondition]
    if precondition != "none":
        fields += ["apf=" + apf, "norm=" + modes["norm"], "beta_aware=%d" % modes["beta_aware"]]
    fields += ["qk_l2norm=%d" % flag("use_qk_l2norm_in_kernel", qk_l2norm), "beta_type=" + beta]
    if operation == "osdn_forward" and element == "fp32":
        fields.append("math=" + math)
    if operation == "osdn_decode":
        fields.append("state_type=" + state_type)
    return operation + ":" + ",".join(fields)


def is_number(log_gamma):
    """A float of NumPy is a number, too."""
    return isinstance(log_gamma, _numbers.Real)


def apf_of(log_gamma):
    """Which variant a log_gamma means, and the constant, if it is a number."""
    if log_gamma is None:
        return "none", 0.0
    if is_number(log_gamma):
        return "constant", float(log_gamma)
    return _APF_OF_RANK.get(len(log_gamma.shape), "none"), 0.0


def numbers(modes, constant, scale):
    """The floats of a launch, in the order of NUMBER_NAMES."""
    factor = 0.0 if scale is None else number("scale", scale)
    if scale is not None and ctypes.c_float(factor).value == 0.0:  # the C interface means the default by it
        raise invalid("scale was %r; wanted: a number that is not 0 in float32, or None for 1/sqrt(K)" % (scale,))
    return [modes[name] for name in _NUMBERS_OF_MODES] + [float(constant), factor]


NUMBER_NAMES = _NUMBERS_OF_MODES + ("log_gamma_constant", "scale")


def fill(arguments, shape, values):
    """Sizes and numbers of ForwardArguments and DecodeArguments."""
    arguments.b, arguments.t, arguments.h, arguments.hv, arguments.n = shape
    for name, value in zip(NUMBER_NAMES, values):
        setattr(arguments, name, value)
