"""Proof that all answers agree: the same scenarios through every solver that can take them."""
