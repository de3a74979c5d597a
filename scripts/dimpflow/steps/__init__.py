"""The steps of a job, one module each; the entry scripts call them with plain paths and values."""
