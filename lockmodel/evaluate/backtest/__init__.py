"""Back-test: published kernel changes, predicted from what was known without their results.

Data flow, one direction: a record of data/published (interventions.json, or a curve file) is split
into *facts* (machine, population, throughput before the change, what the patch does) and a *result*
(everything after the change). A case names scenario and lever; it gets an `Evidence` in which
asking for a result, its own above all, raises. Cases of the exec path are scenarios from counts
(`counts`): acquires, lines and instructions counted in an emulator, times of lines of the machine
or its kind, overlap of misses from the other machines, and what is open as draws, which the
throughput before the change may weight. Each draw is solved before and after the lever, which gives
a distribution of ln(1 + gain); with the model's error and the noise of two runs it is that of the
published number, which gets a verdict and a log score (`scores`). Rows of one patch count once.
Beside it stand cheaper predictions of the same rows (`columns`), each with a spread from the other
patches' residuals (`beside`). Curves of other locks are transfers, counted apart.

What could make the answer wrong, the worst first: the result leaking into the parameters (through a
calibrated model, a constant set from it, noise estimated from the patched runs, a lever's strength
chosen to fit: tests move every result at once and demand unmoved predictions); a scenario that
lacks the lock that binds after the change; an interval widened until it holds, which the log score
punishes; a reading of the patch chosen after the fact (one is scored, said in advance, the others
stand aside). What can not be excluded by a test is that the cases were written after the results
were public: their tables say what each rests on, and misses stay.
"""
