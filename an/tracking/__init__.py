"""What a run says of itself while it goes on, as events on disk, and how MLflow comes to show it."""
