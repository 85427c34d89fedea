"""What a study takes, before it runs. The workflow reads ``asked`` at each start, so that this imports nothing."""
