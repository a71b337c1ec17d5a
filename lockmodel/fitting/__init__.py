"""Estimate what a scenario leaves open from measurements, with intervals and their limits."""
