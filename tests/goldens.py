"""The commands whose reports are in tests/golden; sessions of the docs are taken from there."""

from __future__ import annotations

from places import TESTS

GOLDEN = TESTS / "golden"
MODEL = "execl-xeon8369b"

CURVE = "unixbench_execl_xeon8369b.csv"

REPORTS = {
    "models": "models",
    "machines": "machines",
    "machines_name": "machines epyc7302",
    "show": f"show {MODEL}",
    "show_explain": f"show {MODEL} --explain",
    "show_from_counts": f"show {MODEL} --from-counts",
    "predict": f"predict {MODEL}",
    "predict_explain": f"predict {MODEL} -n 1,16,64,128 --explain",
    "predict_machine": f"predict {MODEL} --machine 2x20x2",
    "predict_from_counts": f"predict {MODEL} --from-counts",
    "predict_bounds": f"predict {MODEL} -n 1,16,64,128 --method bounds",
    "show_classes": "show mix-xeon8369b",
    "predict_classes": "predict mix-xeon8369b -n 16,64,128",
    "whatif_classes": "whatif mix-xeon8369b -n 128 --lever shorten_hold:libc.so.6=0.5",
    "ceiling_classes": "ceiling mix-xeon8369b",
    "ceiling": f"ceiling {MODEL}",
    "ceiling_over": f"ceiling {MODEL} --over acquires=1..15",
    "ceiling_explain": f"ceiling {MODEL} --explain",
    "levers": f"levers {MODEL} -n 128",
    "levers_explain": f"levers {MODEL} -n 128 --explain",
    "levers_walks": f"levers {MODEL} -n 128 --walks libc.so.6=5000,read_us=64",
    "whatif": f"whatif {MODEL} -n 64,128 --lever batch:libc.so.6/exec.map_split=1 "
    f"--lever shard:libc.so.6=8",
    "whatif_explain": f"whatif {MODEL} -n 64,128 --lever batch:libc.so.6/exec.map_split=1 "
    f"--lever shard:libc.so.6=8 --explain",
    "whatif_from_counts": "whatif execl-emr112 --from-counts -n 220 --lever exclude:libc.so.6 "
    "--lever exclude:ld-linux-x86-64.so.2",
    "explain": f"explain {MODEL} -n 128",
    "quick": "quick --think 5us --hold 1us --acquires 3 --machine 2x32x1",
    "sweep": f"sweep {MODEL} --over acquires=1,15,30 --over shards=1,2 -n 16,128",
    "sweep_plot": f"sweep {MODEL} --over acquires=1..15 --over shards=1,2,4 -n 128 --plot",
    "simulate": f"simulate {MODEL} -n 1,8",
    "import": f"import {TESTS / 'samples' / 'own_lock_stat.txt'}",
    "verify": "verify",
    "fit": f"fit {CURVE} --model {MODEL}",
    "fit_curves": f"fit {CURVE}",
    "design": f"design {MODEL} --data {CURVE} -n 128",
    "gate": "gate cna_v3_locktorture.csv:stock :patch_CNA --fail-below -15%",
    "accuracy": "accuracy published",
    "backtest": "backtest --only lkp_spr_224 --only huang_v1_tree_split --only guzik_batch_unlink",
    "acquires_shares": "acquires --from-shares profiles.json",
    "theory": "theory",
    "figure": "figure",
}
"""Golden file -> command line."""
