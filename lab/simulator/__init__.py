"""The Kubernetes APIs of many sites in one process: the stand-in's strict API with nodes that only pretend.

It serves to count what the collection asks of each site's API, and to see what it does when an API is slow, busy or cut off.
It knows neither the collection nor Ansible. See docs/lab.md.
"""

import sys
from pathlib import Path

# The stand-in's packages lie beside this one and run from their sources.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "standin"))

import in_place

in_place.prepare()
