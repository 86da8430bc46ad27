"""Runs the package's tests; exits with 77 (skipped) where numpy is missing, and says so."""

import os
import subprocess
import sys
import unittest

_SYSTEM = "/usr/bin/python3"  # what Debian's packages are for, whichever python3 comes first

try:
    import numpy  # noqa: F401
except ImportError:
    if os.path.exists(_SYSTEM) and not os.path.samefile(_SYSTEM, sys.executable):
        if subprocess.run([_SYSTEM, "-c", "import numpy"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            os.execv(_SYSTEM, [_SYSTEM] + sys.argv)
    print("skipped: neither %s nor %s has numpy: apt-get install python3-numpy" % (sys.executable, _SYSTEM))
    sys.exit(77)

if __name__ == "__main__":
    suite = unittest.defaultTestLoader.discover(sys.argv[1], pattern="*_test.py")
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for test, why in result.skipped:
        print("not run: %s: %s" % (test, why))
    sys.exit(0 if result.wasSuccessful() else 1)
