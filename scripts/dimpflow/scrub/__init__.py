"""Free text without the terms that are known to identify a patient: the method `scrub`.

It removes known terms and is no proof of anonymity: whom else a text names, or what it tells, stays.
"""
