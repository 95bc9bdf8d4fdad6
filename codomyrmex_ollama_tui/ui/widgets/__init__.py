"""The pieces that screens are made of: they get values and post facts."""
