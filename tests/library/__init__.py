"""The synchronous front door."""
