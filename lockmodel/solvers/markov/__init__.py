"""Markov chains: exact where product form is not, for as many states as fit into the memory.

| module | what it answers |
|---|---|
| chain | the sparse generator of a model: `explore` |
| stationary | the distribution in the long run, with residual and error: `stationary` |
| phase_type | times from mean and variation: `coxian`, `erlang`, `hyperexponential` |
| queues, queue_moves, queue_solution | FIFO locks, hand-off as a phase, shards: `solve_queues` |
| rwsem | readers share, writers spin, hand-off bit: `solve_rwsem` |
| sleepers | waiters spin, or sleep when CPUs run out: `solve_sleeping` |
| points, mapping, refusals | from and to scenarios: `point`, `approximations`, `refusal` |
| repairman | one lock, hand-off linear in waiters, closed form: `throughput`, `peak` |
"""
