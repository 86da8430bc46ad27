"""A PEP 517 backend of its own: it packs the package and the shared libraries that the build folder has, and needs
nothing but Python, so that `pip wheel` works without a network.

OSDN_BUILD names the build folder (default: build beside the python folder's parent)."""

import base64
import hashlib
import os
import pathlib
import re
import sysconfig
import zipfile

_HERE = pathlib.Path(__file__).resolve().parent
_VERSION = re.search(r'__version__ = "(.+)"', (_HERE / "osdn" / "__init__.py").read_text()).group(1)
_LIBRARIES = ("libosdn.so", "libosdn_emulator.so", "osdn-tune-worker")


def _tag():
    return "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _metadata():
    return (
        "Metadata-Version: 2.1\nName: osdn\nVersion: %s\nSummary: Online Scaled DeltaNet kernels, generated and "
        "compiled at run time\nRequires-Python: >=3.9\nRequires-Dist: numpy; extra == 'numpy'\nProvides-Extra: numpy\n"
        % _VERSION
    )


def _wheel_file():
    return "Wheel-Version: 1.0\nGenerator: osdn-backend\nRoot-Is-Purelib: false\nTag: %s\n" % _tag()


def _libraries(settings):
    folder = pathlib.Path((settings or {}).get("build") or os.environ.get("OSDN_BUILD") or _HERE.parent / "build")
    for name in _LIBRARIES:
        path = folder / name
        if not path.exists():
            if name == "osdn-tune-worker":
                continue  # without it there is no tuning=tune
            raise SystemExit(
                "%s is not there: build it first (cmake --build --preset release), or name its folder in OSDN_BUILD" % path
            )
        yield name, path


class _Wheel:
    def __init__(self, path):
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._record = []

    def add(self, name, data, mode=0o644):
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = (0o100000 | mode) << 16
        self._zip.writestr(entry, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self._record.append("%s,sha256=%s,%d\n" % (name, digest, len(data)))

    def close(self, info):
        name = info + "/RECORD"
        self._record.append(name + ",,\n")
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o100644 << 16
        self._zip.writestr(entry, "".join(self._record))
        self._zip.close()


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name = "osdn-%s-%s.whl" % (_VERSION, _tag())
    info = "osdn-%s.dist-info" % _VERSION
    libraries = list(_libraries(config_settings))
    wheel = _Wheel(os.path.join(wheel_directory, name))
    for path in sorted((_HERE / "osdn").glob("*.py")):
        wheel.add("osdn/" + path.name, path.read_bytes())
    for library, path in libraries:
        wheel.add("osdn/lib/" + library, path.read_bytes(), 0o755)
    wheel.add(info + "/METADATA", _metadata().encode())
    wheel.add(info + "/WHEEL", _wheel_file().encode())
    wheel.close(info)
    return name


def build_sdist(sdist_directory, config_settings=None):
    raise SystemExit("there is no source distribution of the Python package alone: build the wheel from the repository")


def get_requires_for_build_wheel(config_settings=None):
    return []
