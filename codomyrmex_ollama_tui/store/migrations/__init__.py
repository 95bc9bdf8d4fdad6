"""How files and databases are laid out, by version."""
