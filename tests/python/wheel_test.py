"""The wheel is whole: unpacked anywhere, it computes, and nothing outside it is named."""

import base64
import csv
import hashlib
import importlib.util
import io
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile

import numpy
import osdn

_SOURCE = pathlib.Path(osdn.__file__).resolve().parents[1]
_SCRIPT = """
import os, sys, osdn
assert not {"numpy", "torch"} & set(sys.modules), "importing osdn imports more"
sys.path.append(os.environ["NUMPY"])
import numpy
x = numpy.full((1, 20, 2, 16), 0.1, numpy.float32)
o, state = osdn.chunk_delta_rule(x, x, x, numpy.ones((1, 20, 2), numpy.float32), output_final_state=True)
assert numpy.isfinite(o).all() and state.shape == (1, 2, 16, 16)
print(os.path.realpath(osdn.library().path), osdn.default_engine().device["driver_library"], sep="\\n")
"""


def run(*command, **more):
    """What it prints; the environment has nothing of ours but `more`."""
    ours = ("OSDN_LIBRARY", "OSDN_EMULATOR_LIBRARY", "OSDN_CUDA_LIBRARY", "PYTHONPATH")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    environment.update(more)
    done = subprocess.run(command, env=environment, cwd="/", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if done.returncode != 0:
        raise AssertionError("%s: %s" % (" ".join(command), done.stdout))
    return done.stdout


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
            self.computes(folder, [sys.executable], PYTHONPATH=os.path.join(folder, "site"))

    @unittest.skipUnless(importlib.util.find_spec("ensurepip"), "no environments can be made: apt-get install python3-venv")
    def test_is_built_and_installed_by_pip_without_a_network(self):
        with tempfile.TemporaryDirectory() as folder:
            python = os.path.join(folder, "environment", "bin", "python")
            run(sys.executable, "-m", "venv", os.path.join(folder, "environment"))
            offline = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_CONFIG_FILE": os.devnull}
            build = dict(offline, OSDN_BUILD=os.path.dirname(os.environ["OSDN_LIBRARY"]))
            source = os.path.join(folder, "python")  # pip leaves things in the folder that it builds from
            shutil.copytree(_SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
            run(python, "-m", "pip", "wheel", "--no-deps", "-w", os.path.join(folder, "dist"), source, **build)
            (wheel,) = pathlib.Path(folder, "dist").iterdir()
            run(python, "-m", "pip", "install", "--no-deps", str(wheel), **offline)
            self.computes(folder, [python])
            run(python, "-m", "pip", "uninstall", "--yes", "osdn", **offline)
            self.assertEqual(list(pathlib.Path(folder, "environment").rglob("*osdn*")), [])

    def computes(self, folder, python, **more):
        """The package that this python finds, which has all of its parts in the folder."""
        done = run(*python, "-c", _SCRIPT, NUMPY=os.path.dirname(os.path.dirname(numpy.__file__)), **more)
        for path in done.splitlines()[-2:]:
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
