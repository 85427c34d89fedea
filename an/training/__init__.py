"""The training loop, its losses and its checkpoints. Imports torch and light packages only."""
