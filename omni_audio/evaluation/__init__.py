"""Deterministic scorers, an independent judge, and the report."""
