"""The lab is a package of its own, beside the collection."""

import sys
from pathlib import Path

LAB = Path(__file__).resolve().parents[3] / "lab"
sys.path[:0] = [str(LAB), str(LAB / "standin")]
