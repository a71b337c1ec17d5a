"""Figures: one module per family, drawn with the one style of `style`."""
