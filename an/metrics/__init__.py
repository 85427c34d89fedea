"""Arithmetic on arrays alone: no models, no parameters, no files."""
