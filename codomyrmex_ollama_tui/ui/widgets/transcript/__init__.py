"""A conversation, drawn as it streams."""
