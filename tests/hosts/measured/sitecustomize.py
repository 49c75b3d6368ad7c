"""Loaded by the system's interpreter at its start, where the tests are measured: see conftest.py.

It borrows coverage from the interpreter of the tests, that package alone: what else lies beside it is for another
version of Python.
"""

import os
import sys

sys.path.append(os.environ["COVERAGE_HOME"])
import coverage

sys.path.pop()
coverage.process_startup()
