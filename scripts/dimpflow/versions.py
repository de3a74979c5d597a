"""Versions of what the steps write.

Raise a number whenever a step would write other bytes for the same input: Snakemake then makes its files, and all that
come from them, again. A change that leaves the output as it is (a comment, speed) needs no new number and costs a user
with 50 GB nothing.
"""

OUTPUT_VERSION = {
    "extract": 1,
    "download": 1,
    "sample": 1,
    "inventory": 1,
    "import": 1,
    "split": 1,
    "terms": 2,
    "gather": 1,
    "mapping": 1,
    "dimp": 3,
    "results": 1,
    "values": 2,
    "check": 4,
    "audit": 3,
}
