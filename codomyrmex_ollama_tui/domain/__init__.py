"""What the words mean: frozen values that every floor shares; nothing of ours is imported here."""
