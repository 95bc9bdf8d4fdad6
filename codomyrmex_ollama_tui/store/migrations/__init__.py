"""How databases are laid out, by version."""
