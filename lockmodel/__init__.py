"""lockmodel: what a lock costs a workload, and what each possible fix would buy.

Describe an iteration that takes locks (`scenario`), change it (`levers`), solve it (`solvers`).
Nothing heavy is imported here: a command imports what it needs.
"""

from __future__ import annotations

__version__ = "0.1.0"
