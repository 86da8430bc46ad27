"""The C interface (include/osdn/c/*.h) as ctypes sees it: structs, functions, and errors as exceptions."""

import ctypes
import os
from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint64, c_void_p

_LOG = ctypes.CFUNCTYPE(None, c_void_p, c_int32, c_char_p)
_TRACE = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)


class EngineOptions(Structure):
    c_name = "osdn_engine_options"
    _fields_ = [
        ("struct_size", c_size_t),
        ("device", c_int32),
        ("disk_cache", c_int32),
        ("validate", c_int32),
        ("compile_threads", c_int32),
        ("driver_library", c_char_p),
        ("nvrtc_library", c_char_p),
        ("cache_directory", c_char_p),
        ("user", c_void_p),
        ("log", _LOG),
        ("allocate", c_void_p),
        ("free", c_void_p),
        ("cache_load", c_void_p),
        ("cache_store", c_void_p),
        ("trace", _TRACE),
        ("packs", POINTER(c_char_p)),
        ("pack_count", c_uint64),
    ]


class Device(Structure):
    c_name = "osdn_device"
    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("pci_bus_id", c_char_p),
        ("driver_library", c_char_p),
        ("nvrtc_library", c_char_p),
        ("emulated", c_int32),
        ("ordinal", c_int32),
        ("arch", c_int32),
        ("multiprocessors", c_int32),
        ("driver_version", c_int32),
        ("nvrtc_version", c_int32),
        ("memory_clock_mhz", c_int32),
        ("reserved", c_int32),
        ("shared_per_block", c_uint64),
        ("memory_bytes", c_uint64),
        ("l2_bytes", c_uint64),
    ]


class Counters(Structure):
    c_name = "osdn_counters"
    _fields_ = [("struct_size", c_size_t)] + [
        (name, c_uint64)
        for name in (
            "memory_hits",
            "disk_hits",
            "compilations",
            "rejected",
            "write_failures",
            "host_hits",
            "pack_hits",
            "prepared",
            "launches",
            "allocated_bytes",
        )
    ]


class Problem(Structure):
    c_name = "osdn_problem"
    _fields_ = [("struct_size", c_size_t)] + [
        (name, c_int32)
        for name in (
            "operation",
            "type",
            "k",
            "v",
            "precondition",
            "apf",
            "norm",
            "beta_aware",
            "qk_l2norm",
            "beta_type",
            "math",
            "state_type",
            "decay",
            "erase",
            "value",
            "micro_steps",
        )
    ]


class Shape(Structure):
    c_name = "osdn_shape"
    _fields_ = [("struct_size", c_size_t)] + [(name, c_int64) for name in ("b", "t", "h", "hv", "n")]


class Strides(Structure):
    c_name = "osdn_strides"
    _fields_ = [("batch", c_int64), ("token", c_int64), ("head", c_int64)]


_STRIDES = [
    (name + "_strides", Strides) for name in ("q", "k", "v", "o", "beta", "log_gamma")
]
_NUMBERS = [
    (name, c_float) for name in ("eta", "d_min", "d_max", "norm_eps", "anchor", "log_gamma_constant", "scale")
] + [("cu_seqlens_bits", c_int32)]
_SIZES = [("struct_size", c_size_t)] + [(name, c_int64) for name in ("b", "t", "h", "hv", "n")]


class ForwardArguments(Structure):
    c_name = "osdn_forward_arguments"
    _fields_ = (
        _SIZES
        + _NUMBERS
        + [
            (name, c_uint64)
            for name in (
                "q",
                "k",
                "v",
                "beta",
                "log_gamma",
                "initial_state",
                "initial_d",
                "cu_seqlens",
                "o",
                "final_state",
                "final_d",
                "workspace",
                "workspace_bytes",
            )
        ]
        + _STRIDES
        + [("checkpoint_every", c_int64), ("checkpoint_state", c_uint64), ("checkpoint_d", c_uint64)]
    )


class DecodeArguments(Structure):
    c_name = "osdn_decode_arguments"
    _fields_ = (
        _SIZES
        + _NUMBERS
        + [(name, c_uint64) for name in ("q", "k", "v", "beta", "log_gamma", "cu_seqlens")]
        + [("slots", c_int64)]
        + [
            (name, c_uint64)
            for name in ("state", "d", "state_slots", "output_state", "output_d", "output_slots")
        ]
        + [("checkpoint_every", c_int64)]
        + [(name, c_uint64) for name in ("checkpoint_state", "checkpoint_d", "o")]
        + _STRIDES
    )


class TunerOptions(Structure):
    c_name = "osdn_tuner_options"
    _fields_ = [
        ("struct_size", c_size_t),
        ("mode", c_int32),
        ("reserved", c_int32),
        ("directory", c_char_p),
        ("read_only", POINTER(c_char_p)),
        ("read_only_count", c_uint64),
        ("budget_seconds", c_double),
        ("budget_trials", c_int64),
        ("seed", c_uint64),
        ("worker", c_char_p),
        ("trace_file", c_char_p),
        ("user", c_void_p),
        ("agree", c_void_p),
        ("progress", c_void_p),
    ]


STRUCTS = (
    EngineOptions,
    Device,
    Counters,
    Problem,
    Shape,
    Strides,
    ForwardArguments,
    DecodeArguments,
    TunerOptions,
)

_FUNCTIONS = {
    "osdn_engine_create": [c_void_p, POINTER(c_void_p)],
    "osdn_engine_device": [c_void_p, POINTER(Device)],
    "osdn_engine_counters": [c_void_p, POINTER(Counters)],
    "osdn_allocate": [c_void_p, c_uint64, POINTER(c_uint64)],
    "osdn_free": [c_void_p, c_uint64],
    "osdn_upload": [c_void_p, c_uint64, c_void_p, c_uint64],
    "osdn_download": [c_void_p, c_void_p, c_uint64, c_uint64],
    "osdn_synchronize": [c_void_p, c_void_p],
    "osdn_problem_parse": [c_char_p, POINTER(Problem)],
    "osdn_prepare_text": [c_void_p, c_char_p, c_char_p, POINTER(c_void_p)],
    "osdn_workspace_bytes": [c_void_p, POINTER(Shape), POINTER(c_uint64)],
    "osdn_launch_forward": [c_void_p, POINTER(ForwardArguments), c_void_p],
    "osdn_launch_decode": [c_void_p, POINTER(DecodeArguments), c_void_p],
    "osdn_tuner_create": [c_void_p, POINTER(TunerOptions), POINTER(c_void_p)],
    "osdn_tuner_prepare": [c_void_p, POINTER(Problem), POINTER(Shape), c_void_p, POINTER(c_void_p)],
}


class Error(RuntimeError):
    """The library refused or failed: `status` is its code's name, `context` what else it had to say."""

    def __init__(self, message, status="OSDN_INTERNAL", context=""):
        super().__init__(message + ("\n" + context.rstrip("\n") if context else ""))
        self.status = status
        self.context = context


class InvalidArgument(Error, ValueError):
    """A value outside what is allowed."""


class Unsupported(Error, NotImplementedError):
    """Legal, but not done by this version."""


class OutOfMemory(Error, MemoryError):
    """Host or device memory is exhausted."""


_KINDS = {
    "OSDN_INVALID_ARGUMENT": InvalidArgument,
    "OSDN_CONSTRAINT": InvalidArgument,
    "OSDN_UNSUPPORTED": Unsupported,
    "OSDN_OUT_OF_MEMORY": OutOfMemory,
}


def own_folder():
    """Where a wheel has the shared libraries."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")


def _open():
    named = os.environ.get("OSDN_LIBRARY")
    places = [named] if named else [os.path.join(own_folder(), "libosdn.so"), "libosdn.so.0", "libosdn.so"]
    reasons = []
    for place in places:
        try:
            return ctypes.CDLL(place)
        except OSError as error:
            reasons.append("  %s: %s" % (place, error))
    raise ImportError(
        "libosdn.so was not found; set OSDN_LIBRARY to its path, or install it beside the package. Tried:\n"
        + "\n".join(reasons)
    )


class _DlInfo(Structure):
    _fields_ = [("file", c_char_p), ("base", c_void_p), ("symbol", c_char_p), ("address", c_void_p)]


def _file_of(library):
    """Where the library lies that the loader found by its name alone; None where it cannot say."""
    info = _DlInfo()
    ask = getattr(ctypes.CDLL(None), "dladdr", None)
    if ask is None:
        return None
    ask.argtypes = [c_void_p, POINTER(_DlInfo)]
    found = ask(ctypes.cast(library.osdn_version_text, c_void_p), ctypes.byref(info))
    return os.path.abspath(os.fsdecode(info.file)) if found and info.file else None


class Library:
    """The functions of libosdn; each raises an Error when it fails."""

    def __init__(self):
        self.c = _open()
        self.path = _file_of(self.c) or self.c._name
        for name, arguments in _FUNCTIONS.items():
            function = getattr(self.c, name)
            function.argtypes = arguments
            function.restype = c_int32
            setattr(self, name[len("osdn_") :], self._checked(function))
        for name in ("osdn_engine_destroy", "osdn_operation_destroy", "osdn_tuner_destroy"):
            function = getattr(self.c, name)
            function.argtypes = [c_void_p]
            function.restype = None
        for name in ("osdn_last_error", "osdn_last_error_context", "osdn_version_text"):
            getattr(self.c, name).restype = c_char_p
        self.c.osdn_status_name.argtypes = [c_int32]
        self.c.osdn_status_name.restype = c_char_p
        self.c.osdn_operation_configuration.argtypes = [c_void_p]
        self.c.osdn_operation_configuration.restype = c_char_p

    def _checked(self, function):
        def call(*arguments):
            status = function(*arguments)
            if status != 0:
                raise self._error(status)

        return call

    def _error(self, status):
        name = self.c.osdn_status_name(status).decode()
        message = self.c.osdn_last_error().decode(errors="replace")
        context = self.c.osdn_last_error_context().decode(errors="replace")
        return _KINDS.get(name, Error)(message, name, context)

    def initialised(self, kind):
        """A struct with every default."""
        out = kind()
        function = getattr(self.c, kind.c_name + "_init")
        function.argtypes = [c_void_p, c_size_t]
        function.restype = c_int32
        status = function(ctypes.byref(out), ctypes.sizeof(out))
        if status != 0:
            raise self._error(status)
        return out


_library = None


def library():
    """Loaded at first use, so that importing needs none."""
    global _library
    if _library is None:
        _library = Library()
    return _library
