"""Data sets: where they come from, how they are prepared, how training reads them. Knows no models."""
