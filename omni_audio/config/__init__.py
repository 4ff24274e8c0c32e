"""Typed configuration: the schema, loading by Hydra, sweeps, and building what the YAML names by `_target_`."""
