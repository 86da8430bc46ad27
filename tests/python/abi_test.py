"""The structs of osdn._abi are those of the header, field for field."""

import ctypes
import os
import pathlib
import re
import unittest

from osdn import _abi

_KINDS = {
    "size_t": "u8",
    "int32_t": "i4",
    "int64_t": "i8",
    "uint64_t": "u8",
    "float": "f4",
    "double": "f8",
    "osdn_strides": "strides",
}


def declared():
    """name -> [(field, kind)] of every struct of the header."""
    out = {}
    for path in pathlib.Path(os.environ["OSDN_INCLUDE"], "osdn", "c").glob("*.h"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for body, name in re.findall(r"typedef struct \w+ \{(.*?)\}\s*(\w+);", text, flags=re.S):
            out[name] = []
            for line in filter(None, (part.strip() for part in body.split(";"))):
                callback = re.search(r"\(\*\s*(\w+)\)\(", line)
                if callback:
                    out[name].append((callback.group(1), "pointer"))
                    continue
                match = re.match(r"((?:const )?\w+\b(?:\s*\*\s*(?:const\b)?)*)\s*([\w, *]+)$", line)
                if match is None:
                    continue  # of a struct inside another: none of ours
                kind, names = match.group(1), match.group(2)
                for field in names.split(","):
                    pointer = "*" in kind or "*" in field
                    out[name].append((field.strip(" *"), "pointer" if pointer else _KINDS.get(kind.strip(), kind)))
    return out


def kind_of(kind):
    if kind is _abi.Strides:
        return "strides"
    if isinstance(kind, type) and issubclass(kind, (ctypes._Pointer, ctypes._CFuncPtr)):
        return "pointer"
    if kind in (ctypes.c_char_p, ctypes.c_void_p):
        return "pointer"
    return {
        ctypes.c_size_t: "u8",
        ctypes.c_int32: "i4",
        ctypes.c_int64: "i8",
        ctypes.c_uint64: "u8",
        ctypes.c_float: "f4",
        ctypes.c_double: "f8",
    }[kind]


class Structs(unittest.TestCase):
    def test_are_those_of_the_header(self):
        header = declared()
        for struct in _abi.STRUCTS:
            with self.subTest(struct.c_name):
                ours = [(name, kind_of(kind)) for name, kind in struct._fields_]
                self.assertEqual(ours, header[struct.c_name])

    def test_defaults_come_from_the_library(self):
        arguments = _abi.library().initialised(_abi.ForwardArguments)
        self.assertEqual((arguments.b, arguments.h, arguments.cu_seqlens_bits), (1, 1, 64))
        self.assertAlmostEqual(arguments.eta, 0.003)
        self.assertAlmostEqual(arguments.norm_eps, 1e-6)
        self.assertEqual(arguments.workspace_bytes, 0)


if __name__ == "__main__":
    unittest.main()
