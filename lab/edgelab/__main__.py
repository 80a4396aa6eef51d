"""Entry point of ``python -m edgelab``."""

import sys

from edgelab.cli import main

sys.exit(main(sys.argv[1:]))
