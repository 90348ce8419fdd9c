"""Timed measurements, run by hand and by name, never in the test suite."""
