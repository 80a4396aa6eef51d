"""A stand-in for EdgeMesh's agent: what operators and their automation see of it, not its proxy."""
