"""The command line's verbs, by whom they are for. They import what they need when they run."""
