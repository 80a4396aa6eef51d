"""The one exception that a user of the lab is meant to read."""


class LabError(Exception):
    """Something that the person at the terminal can act on; the message says what was found and what to do."""
