"""``python -m wirepath``: the same as the ``wirepath`` command."""

import sys

from wirepath.cli import main

if __name__ == "__main__":
    sys.exit(main())
