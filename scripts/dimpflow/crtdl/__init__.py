"""CRTDL documents: reading them, and saying what is wrong before anything is sent to TORCH (torch-crtdl.md, section 2)."""
