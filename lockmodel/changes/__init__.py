"""The levers: what a kernel change does to a Scenario, and how one is written down."""
