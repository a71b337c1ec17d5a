"""Back-test: published kernel changes, predicted from what was known without their results.

Data flow, one direction: a record of data/published (interventions.json, or a curve file) is split
into *facts* (machine, population, throughput and profile before the change, what the patch does)
and a *result* (everything after the change). A case names the scenario, the lever, and whose
results may shape its parameters; it gets an `Evidence` in which asking for any other result, its
own above all, raises. Scenarios come from models/*.toml with every time blanked (their times were
calibrated to some of these very results), so that only traced counts, held instructions and the
machine remain. Times come back from draws: the ratio of hand-off to held work from a flat prior
weighted by the *other* machines' before/after pairs, the spread between machines from
data/published/latency.csv, think time from the machine's own profile before the change. Each draw
is solved before and after the lever, which gives a distribution of the gain; with the noise of two
runs on top it is that of the published number, and `verdict` compares. What could make the answer
wrong, the worst first: the result leaking into the parameters (through a calibrated model, a
profile taken after the change, noise estimated from the patched runs, a lever's strength chosen to
fit: tests move every result and demand an unmoved prediction); a scenario that lacks the lock that
binds after the change; two unlike machines sharing one ratio; an interval widened until it holds;
a reading of the patch chosen after the fact (so all readings are rows). What can not be excluded
by a test is that the cases were written after the results were public: their tables say what each
rests on, and misses stay.
"""
