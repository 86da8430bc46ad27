"""Calls on torch tensors, as custom operators: torch.compile and CUDA graphs know them. Tensors on a CUDA device are
read and written where they are, on torch's current stream; tensors in host memory go to the engine of NumPy arrays."""

import sys
from typing import List, Optional

import torch

from . import _abi, _calls, _host
from .engine import default_engine

_ELEMENTS = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
_DTYPES = {"fp32": torch.float32, "int64": torch.int64, "int32": torch.int32}
_INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8)
ALLOWED = "torch.bfloat16, float16, float32"


def is_array(value):
    return isinstance(value, torch.Tensor)


def element(tensor):
    """"fp16", "fp32", "bf16"; None for all else."""
    return _ELEMENTS.get(tensor.dtype)


def is_floating(tensor):
    return tensor.is_floating_point()


def is_integer(tensor):
    return tensor.dtype in _INTEGERS


def float32_copy(tensor):
    return tensor.to(torch.float32, copy=True)


def ones(shape, like):
    return torch.ones(shape, dtype=like.dtype, device=like.device)


def zeros(shape, like):
    return torch.zeros(shape, dtype=torch.float32, device=like.device)


def check(engine, **tensors):
    """One device that there are kernels for, rows in memory, no gradients."""
    if engine is not None:
        raise _calls.unsupported("engine= is for NumPy arrays; tensors are computed on the engine of their device")
    device = tensors["q"].device
    if device.type not in ("cuda", "cpu"):
        raise _calls.unsupported("q is on %s; supported: CUDA devices, and the CPU by the emulator" % device)
    for name, tensor in tensors.items():
        if tensor is None:
            continue
        if tensor.device != device:
            raise _calls.invalid("%s is on %s, but q is on %s" % (name, tensor.device, device))
        if tensor.layout != torch.strided:
            raise _calls.unsupported("%s has the layout %s; supported: torch.strided" % (name, tensor.layout))
        if tensor.requires_grad and torch.is_grad_enabled():
            raise _calls.unsupported(
                "%s requires a gradient, and there is no backward kernel yet: call under torch.no_grad() or "
                "torch.inference_mode(), or detach it" % name
            )


# ---- on a CUDA device --------------------------------------------------------------------------------------------------


def _address(tensor):
    return 0 if tensor is None else tensor.data_ptr()


def _rows(tensor, features=True):
    """A tensor whose rows a kernel can read: the features side by side, and rows 16-byte aligned."""
    if features and tensor.numel() > 0:
        size = tensor.element_size()
        rows = [s * size for s, n in zip(tensor.stride()[:-1], tensor.shape[:-1]) if n > 1]
        # Expanded tensors have strides of 0, which mean something else there.
        good = tensor.stride(-1) == 1 and tensor.data_ptr() % 16 == 0 and all(r > 0 and r % 16 == 0 for r in rows)
        return tensor if good else tensor.contiguous()
    return tensor.contiguous()


def _strides(tensor):
    """Of [B,T,HEADS,FEATURES]."""
    if tensor.is_contiguous():
        return _abi.Strides()
    return _abi.Strides(*(0 if n == 1 else s for s, n in zip(tensor.stride()[:3], tensor.shape[:3])))


class _OnDevice:
    """A call on a CUDA device: its engine and torch's current stream there."""

    def __init__(self, q):
        index = q.device.index
        self.engine = default_engine(torch.cuda.current_device() if index is None else index)
        self.stream = torch.cuda.current_stream(q.device).cuda_stream

    def prepare(self, problem, shape):
        return self.engine.prepare(problem, shape, self.stream)


def _forward_on_device(tensors, states, cu_seqlens, shape, problem, values, outputs):
    q, k, v, beta, log_gamma = tensors
    with torch.cuda.device(q.device):
        call = _OnDevice(q)
        operation = call.prepare(problem, shape)
        engine = call.engine
        arguments = engine.library.initialised(_abi.ForwardArguments)
        _calls.fill(arguments, shape, values)
        held = [t.contiguous() if t is not None else None for t in (beta, log_gamma, *states)]
        arguments.beta, arguments.log_gamma, arguments.initial_state, arguments.initial_d = map(_address, held)
        boundaries = _boundaries(arguments, cu_seqlens)
        arguments.o, arguments.final_state, arguments.final_d = (
            0 if t is None or t.numel() == 0 and i > 0 else t.data_ptr() for i, t in enumerate(outputs)
        )
        arguments.workspace_bytes = engine.workspace_bytes(operation, shape)
        workspace = torch.empty(arguments.workspace_bytes, dtype=torch.uint8, device=q.device)
        arguments.workspace = _address(workspace) if arguments.workspace_bytes else 0
        rows = [_rows(t) for t in (q, k, v)]
        strided = any(not t.is_contiguous() for t in rows)
        if strided and operation.takes_strides:
            _set_rows(arguments, rows)
            try:
                engine.launch(operation, arguments, call.stream)
                return
            except _abi.Unsupported:
                operation.takes_strides = False
        rows = [t.contiguous() for t in rows]
        _set_rows(arguments, rows)
        engine.launch(operation, arguments, call.stream)
        del workspace, held, boundaries, rows  # torch hands memory out again in the order of the stream


def _set_rows(arguments, rows):
    arguments.q, arguments.k, arguments.v = map(_address, rows)
    arguments.q_strides, arguments.k_strides, arguments.v_strides = map(_strides, rows)


def _boundaries(arguments, cu_seqlens):
    """Sets cu_seqlens; returns what must live as long as the launch."""
    if cu_seqlens is None:
        return None
    exact = cu_seqlens if cu_seqlens.dtype in (torch.int64, torch.int32) else cu_seqlens.to(torch.int64)
    exact = exact.contiguous()
    arguments.cu_seqlens = exact.data_ptr()
    arguments.cu_seqlens_bits = 32 if exact.dtype == torch.int32 else 64
    return exact


def _decode_on_device(tensors, pools, slots, cu_seqlens, shape, problem, values, o):
    q, k, v, beta, log_gamma = tensors
    with torch.cuda.device(q.device):
        call = _OnDevice(q)
        operation = call.prepare(problem, shape)
        arguments = call.engine.library.initialised(_abi.DecodeArguments)
        _calls.fill(arguments, shape, values)
        held = [None if t is None else t.contiguous() for t in (q, k, v, beta, log_gamma)]
        arguments.q, arguments.k, arguments.v, arguments.beta, arguments.log_gamma = map(_address, held)
        boundaries = _boundaries(arguments, cu_seqlens)
        for name, pool in zip(("state", "d"), pools):
            if pool is not None and not pool.is_contiguous():
                raise _calls.unsupported("%s is not contiguous: pools of states are written where they are" % name)
            setattr(arguments, name, _address(pool))
        arguments.slots = pools[0].shape[0]
        table = None if slots is None else slots.to(torch.int32).contiguous()
        arguments.state_slots = _address(table)
        arguments.o = o.data_ptr()
        call.engine.launch(operation, arguments, call.stream)
        del held, boundaries, table


# ---- what osdn._host asks ----------------------------------------------------------------------------------------------


def dense(tensor, element_type):
    return (tensor.to(_DTYPES[element_type]) if element_type else tensor).contiguous()


def bytes_of(tensor):
    return tensor.numel() * tensor.element_size()


def pointer(tensor):
    return tensor.data_ptr()


def dense_like(tensor):
    return torch.empty_like(tensor, memory_format=torch.contiguous_format)


def assign(into, tensor):
    into.copy_(tensor)


# ---- the operators ---------------------------------------------------------------------------------------------------

_HERE = sys.modules[__name__]


def _outputs(q, v, sequences, wants_state, wants_d):
    hv, value = v.shape[2:]
    state = (sequences, hv, q.shape[3], value) if wants_state else (0,)
    d = (sequences, hv, q.shape[3]) if wants_d else (0,)
    return (
        torch.empty(v.shape, dtype=v.dtype, device=v.device),
        torch.empty(state, dtype=torch.float32, device=v.device),
        torch.empty(d, dtype=torch.float32, device=v.device),
    )


def _steps(v, slots):
    """o of a decoding step. The kernel leaves out rows of padding, which only a table of slots can have: zeros."""
    make = torch.empty if slots is None else torch.zeros
    return make(v.shape, dtype=v.dtype, device=v.device)


def _shape_of(q, v, cu_seqlens):
    return (q.shape[0], q.shape[1], q.shape[2], v.shape[2], 0 if cu_seqlens is None else cu_seqlens.shape[0] - 1)


@torch.library.custom_op("osdn::forward", mutates_args=())
def _forward(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    beta: torch.Tensor,
    log_gamma: Optional[torch.Tensor],
    initial_state: Optional[torch.Tensor],
    initial_d: Optional[torch.Tensor],
    cu_seqlens: Optional[torch.Tensor],
    problem: str,
    numbers: List[float],
    wants_state: bool,
    wants_d: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    shape = _shape_of(q, v, cu_seqlens)
    outputs = _outputs(q, v, shape[4] or shape[0], wants_state, wants_d)
    tensors, states = (q, k, v, beta, _fp32(log_gamma)), (_fp32(initial_state), _fp32(initial_d))
    if q.device.type == "cuda":
        _forward_on_device(tensors, states, cu_seqlens, shape, problem, numbers, outputs)
    else:
        _host.forward(_HERE, default_engine(), tensors, states, cu_seqlens, shape, problem, numbers, outputs)
    return outputs


@_forward.register_fake
def _(q, k, v, beta, log_gamma, initial_state, initial_d, cu_seqlens, problem, numbers, wants_state, wants_d):
    shape = _shape_of(q, v, cu_seqlens)
    return _outputs(q, v, shape[0] if cu_seqlens is None else shape[4], wants_state, wants_d)


def _fp32(tensor):
    return None if tensor is None else tensor.to(torch.float32)


@torch.library.custom_op("osdn::decode", mutates_args=("state", "d"))
def _decode(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    beta: torch.Tensor,
    log_gamma: Optional[torch.Tensor],
    cu_seqlens: Optional[torch.Tensor],
    state: torch.Tensor,
    d: Optional[torch.Tensor],
    state_slots: Optional[torch.Tensor],
    problem: str,
    numbers: List[float],
) -> torch.Tensor:
    tensors, shape = (q, k, v, beta, _fp32(log_gamma)), _shape_of(q, v, cu_seqlens)
    o = _steps(v, state_slots)
    if q.device.type == "cuda":
        _decode_on_device(tensors, (state, d), state_slots, cu_seqlens, shape, problem, numbers, o)
    else:
        _host.decode(_HERE, default_engine(), tensors, (state, d), state_slots, cu_seqlens, shape, problem, numbers, o)
    return o


@_decode.register_fake
def _(q, k, v, beta, log_gamma, cu_seqlens, state, d, state_slots, problem, numbers):
    return torch.empty(v.shape, dtype=v.dtype, device=v.device)


# ---- what osdn.ops calls ---------------------------------------------------------------------------------------------


def forward(q, k, v, beta, log_gamma, initial_state, initial_d, cu_seqlens, shape, problem, values, wants, engine):
    o, state, d = torch.ops.osdn.forward(
        q, k, v, beta, log_gamma, initial_state, initial_d, cu_seqlens, problem, values, wants[0], wants[1]
    )
    return o, state if wants[0] else None, d if wants[1] else None


def decode(q, k, v, beta, log_gamma, cu_seqlens, state, d, slots, shape, problem, values, engine):
    return torch.ops.osdn.decode(q, k, v, beta, log_gamma, cu_seqlens, state, d, slots, problem, values)
