"""`python -m dtlib claims list | run | show`: the command line.

The appendix `claims` of the book explains it. Tests: tests/test_claims.py.
"""

import sys

from dtlib.claims.command import main

if __name__ == "__main__":
    sys.exit(main())
