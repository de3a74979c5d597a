"""Clients of the servers that a job may ask."""
