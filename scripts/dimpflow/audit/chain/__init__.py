"""The chain of evidence: which file was made from which, by their digests; how it is written, and how it is checked again."""
