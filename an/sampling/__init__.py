"""From trained weights to images: samples, completions, and the trivial completions that need no training."""
