"""Tables and figures from results/ alone: no torch, no models."""
