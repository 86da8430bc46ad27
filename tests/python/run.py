"""Runs the package's tests; exits with 77 (skipped) where numpy is missing, and says so."""

import sys
import unittest

try:
    import numpy  # noqa: F401
except ImportError:
    print("skipped: this python3 (%s) has no numpy: apt-get install python3-numpy" % sys.executable)
    sys.exit(77)

if __name__ == "__main__":
    suite = unittest.defaultTestLoader.discover(sys.argv[1], pattern="*_test.py")
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    for test, why in result.skipped:
        print("not run: %s: %s" % (test, why))
    sys.exit(0 if result.wasSuccessful() else 1)
