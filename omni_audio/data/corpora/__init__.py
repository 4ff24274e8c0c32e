"""Recipes that make corpora; one file a recipe."""
