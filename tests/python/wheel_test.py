"""The wheel is whole: unpacked anywhere, it computes, and nothing outside it is named."""

import base64
import csv
import hashlib
import importlib.util
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zipfile

import osdn

_SOURCE = pathlib.Path(osdn.__file__).resolve().parents[1]
_SCRIPT = """
import os, numpy, osdn
x = numpy.full((1, 20, 2, 16), 0.1, numpy.float32)
o, state = osdn.chunk_delta_rule(x, x, x, numpy.ones((1, 20, 2), numpy.float32), output_final_state=True)
assert numpy.isfinite(o).all() and state.shape == (1, 2, 16, 16)
print(os.path.realpath(osdn.library().path), osdn.default_engine().device["driver_library"], sep="\\n")
"""


@unittest.skipUnless((_SOURCE / "backend.py").exists(), "the package does not come from its repository")
class Wheel(unittest.TestCase):
    def test_computes_where_it_is_unpacked(self):
        spec = importlib.util.spec_from_file_location("backend", _SOURCE / "backend.py")
        backend = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(backend)
        with tempfile.TemporaryDirectory() as folder:
            name = backend.build_wheel(folder, {"build": os.path.dirname(os.environ["OSDN_LIBRARY"])})
            self.assertRegex(name, r"^osdn-%s-py3-none-linux_\w+\.whl$" % osdn.__version__)
            wheel = zipfile.ZipFile(os.path.join(folder, name))
            self.check_record(wheel)
            wheel.extractall(os.path.join(folder, "site"))
            environment = {name: value for name, value in os.environ.items()
                           if name not in ("OSDN_LIBRARY", "OSDN_EMULATOR_LIBRARY", "OSDN_CUDA_LIBRARY")}
            environment["PYTHONPATH"] = os.path.join(folder, "site")
            done = subprocess.run([sys.executable, "-c", _SCRIPT], env=environment, cwd="/", text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
            for path in done.stdout.splitlines()[-2:]:
                self.assertTrue(path.startswith(os.path.realpath(folder)), path)

    def check_record(self, wheel):
        rows = {row[0]: row for row in csv.reader(io.StringIO(
            wheel.read([n for n in wheel.namelist() if n.endswith("/RECORD")][0]).decode()))}
        self.assertEqual(set(rows), set(wheel.namelist()))
        for name, row in rows.items():
            if name.endswith("/RECORD"):
                continue
            data = wheel.read(name)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            self.assertEqual(row[1:], ["sha256=" + digest, str(len(data))], name)


if __name__ == "__main__":
    unittest.main()
