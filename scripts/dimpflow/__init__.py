"""De-identification of FHIR R4 data in NDJSON files: the library behind the DIMP workflow.

It knows nothing of Snakemake. Imports run downwards only: steps use ndjson, bundles, fhir and the engine,
never the other way round.
"""

import os

__version__ = "0.1.0"

# numpy otherwise starts a thread for each core, for linear algebra, of which there is none here.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
