"""Corpora, datasets and batching."""
