"""What can go wrong."""


class Refused(Exception):
    """The resource is refused: it cannot be read, a rule fails on it, or a result does not fit."""


class NotStrict(Exception):
    """What was read is not in the strict form (2.1)."""
