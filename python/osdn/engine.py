"""Engines: a device, its caches and its prepared operations."""

import ctypes
import os
import threading
import weakref

from . import _abi

_MODES = {"off": 0, "cache": 1, "tune": 2, "deterministic": 3}


def _text(value):
    if value is None:
        return None
    text = os.fsencode(value)
    if b"\0" in text:
        raise _abi.InvalidArgument("%r has a NUL in it, where C would end it" % (value,), "OSDN_INVALID_ARGUMENT")
    return text


class Operation:
    """Kernels that are ready."""

    def __init__(self, library, handle):
        self._handle = handle
        self._finalizer = weakref.finalize(self, library.c.osdn_operation_destroy, handle)
        self.configuration = library.c.osdn_operation_configuration(handle).decode()
        self.takes_strides = True  #: until a launch says otherwise


class Engine:
    """Owns a device, the compile cache and the compiled kernels. Thread-safe.

    driver_library: of the CUDA driver; None: $OSDN_CUDA_LIBRARY, then libcuda.so.1. `emulator()` names a device that
    is made of software. tuning: "off", "cache", "tune" or "deterministic", as `osdn tune` and docs/autotuning.md say.
    """

    def __init__(
        self,
        device=0,
        *,
        driver_library=None,
        nvrtc_library=None,
        cache_directory=None,
        disk_cache=True,
        validate=False,
        tuning="cache",
        packs=None,
    ):
        if tuning not in _MODES:
            raise _abi.InvalidArgument(
                "tuning was %r; allowed: %s" % (tuning, ", ".join(map(repr, _MODES))), "OSDN_INVALID_ARGUMENT"
            )
        self.library = _abi.library()
        options = self.library.initialised(_abi.EngineOptions)
        options.device = device
        if options.device != device:  # C's integers begin anew behind their last
            raise _abi.InvalidArgument("device was %d; wanted: the number of a device" % device, "OSDN_INVALID_ARGUMENT")
        options.disk_cache = int(disk_cache)
        options.validate = int(validate)
        options.driver_library = _text(driver_library)
        options.nvrtc_library = _text(nvrtc_library)
        options.cache_directory = _text(cache_directory)
        if isinstance(packs, (str, bytes, os.PathLike)):
            packs = [packs]
        if packs:
            options.packs = (ctypes.c_char_p * len(packs))(*map(_text, packs))
            options.pack_count = len(packs)
        self._handle = self._create("osdn_engine_create", ctypes.byref(options))
        self._finalizer = weakref.finalize(self, self.library.c.osdn_engine_destroy, self._handle)
        tuner = self.library.initialised(_abi.TunerOptions)
        tuner.mode = _MODES[tuning]
        self._tuner = self._create("osdn_tuner_create", self._handle, ctypes.byref(tuner))
        self._tuner_finalizer = weakref.finalize(self, self.library.c.osdn_tuner_destroy, self._tuner)
        self._operations = {}
        self._mutex = threading.Lock()

    def _create(self, function, *arguments):
        handle = ctypes.c_void_p()
        getattr(self.library, function[len("osdn_") :])(*arguments, ctypes.byref(handle))
        return handle

    @property
    def device(self):
        """What the engine runs on, as a dictionary."""
        out = _abi.Device(struct_size=ctypes.sizeof(_abi.Device))
        self.library.engine_device(self._handle, ctypes.byref(out))
        return _as_dict(out)

    @property
    def counters(self):
        """What happened since the engine was made."""
        out = _abi.Counters(struct_size=ctypes.sizeof(_abi.Counters))
        self.library.engine_counters(self._handle, ctypes.byref(out))
        return _as_dict(out)

    def shape(self, b, t, h, hv, n=0):
        return _abi.Shape(ctypes.sizeof(_abi.Shape), b, t, h, hv, n)

    def prepare(self, problem, shape, stream=None, configuration=None):
        """The operation of a problem's text for shapes (b, t, h, hv, n) like this one, compiled now or found."""
        key = (problem, tuple(shape), configuration)
        found = self._operations.get(key)
        if found is not None:
            return found
        handle = ctypes.c_void_p()
        if configuration is not None:
            self.library.prepare_text(self._handle, _text(problem), _text(configuration), ctypes.byref(handle))
        else:
            exact = _abi.Problem(struct_size=ctypes.sizeof(_abi.Problem))
            self.library.problem_parse(_text(problem), ctypes.byref(exact))
            self.library.tuner_prepare(
                self._tuner, ctypes.byref(exact), ctypes.byref(self.shape(*shape)), stream, ctypes.byref(handle)
            )
        operation = Operation(self.library, handle)
        with self._mutex:
            if len(self._operations) >= 4096:
                self._operations.clear()  # shapes without end: what they stand on is kept below
            return self._operations.setdefault(key, operation)

    def workspace_bytes(self, operation, shape):
        out = ctypes.c_uint64()
        self.library.workspace_bytes(operation._handle, ctypes.byref(self.shape(*shape)), ctypes.byref(out))
        return out.value

    def launch(self, operation, arguments, stream=None):
        """Enqueues a call."""
        if isinstance(arguments, _abi.ForwardArguments):
            self.library.launch_forward(operation._handle, ctypes.byref(arguments), stream)
        else:
            self.library.launch_decode(operation._handle, ctypes.byref(arguments), stream)

    def synchronize(self, stream=None):
        self.library.synchronize(self._handle, stream)

    def allocate(self, size):
        """Device memory that goes with the object."""
        return Buffer(self, size)


class Buffer:
    """Device memory. `address` is 0 where there is nothing to hold."""

    def __init__(self, engine, size):
        self.engine = engine
        self.size = size
        self.address = 0
        if not 0 <= size < 2**64:  # ctypes would wrap it around
            raise _abi.InvalidArgument("size was %r; wanted: bytes, from 0 on, in 64 bits" % (size,), "OSDN_INVALID_ARGUMENT")
        if size > 0:
            out = ctypes.c_uint64()
            engine.library.allocate(engine._handle, size, ctypes.byref(out))
            self.address = out.value

    def upload(self, pointer):
        if self.size > 0:
            self.engine.library.upload(self.engine._handle, self.address, pointer, self.size)

    def download(self, pointer):
        if self.size > 0:
            self.engine.library.download(self.engine._handle, pointer, self.address, self.size)

    def free(self):
        if self.address != 0:
            self.engine.library.free(self.engine._handle, self.address)
            self.address = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.free()


def _as_dict(struct):
    out = {}
    for name, _ in struct._fields_:
        if name not in ("struct_size", "reserved"):
            value = getattr(struct, name)
            out[name] = value.decode(errors="replace") if isinstance(value, bytes) else value
    return out


def emulator():
    """The path of libosdn_emulator.so, a CUDA driver made of software: $OSDN_EMULATOR_LIBRARY, else beside libosdn.so or,
    where that was installed, in the folder osdn there."""
    named = os.environ.get("OSDN_EMULATOR_LIBRARY")
    if named:
        return named
    folder = os.path.dirname(os.path.abspath(_abi.library().path))
    for place in (folder, os.path.join(folder, "osdn")):
        path = os.path.join(place, "libosdn_emulator.so")
        if os.path.exists(path):
            return path
    raise _abi.Error(
        "libosdn_emulator.so is neither beside %s nor in osdn/ there; set OSDN_EMULATOR_LIBRARY to its path, or OSDN_CUDA_LIBRARY to that of "
        "a CUDA driver" % _abi.library().path,
        "OSDN_LIBRARY_NOT_FOUND",
    )


_engines = {}
_engines_mutex = threading.Lock()


def default_engine(device=None):
    """The engine of a CUDA device, or (None) the one that arrays in host memory are computed on: that of
    $OSDN_CUDA_LIBRARY where it is set, else the emulator."""
    with _engines_mutex:
        engine = _engines.get(device)
        if engine is None:
            if device is None:
                driver = None if os.environ.get("OSDN_CUDA_LIBRARY") else emulator()
                engine = Engine(driver_library=driver, tuning="off" if driver else "cache")
            else:
                engine = Engine(device)
            _engines[device] = engine
        return engine


def set_default_engine(engine, device=None):
    """Computes on this engine what `default_engine(device)` would be asked for; None: on one that is made then."""
    if engine is not None and not isinstance(engine, Engine):
        raise _abi.InvalidArgument(
            "engine is a %s; wanted: an osdn.Engine" % type(engine).__name__, "OSDN_INVALID_ARGUMENT"
        )
    with _engines_mutex:
        _engines[device] = engine
