"""The end-to-end tests drive pseudo-terminals, which POSIX systems have."""

import sys

collect_ignore_glob = ["test_*.py"] if sys.platform == "win32" else []
