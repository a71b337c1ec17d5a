#!/bin/sh
# The main job: UnixBench execl on a 128-CPU Xeon, and what each lever would buy there.
# Usage: tools/demo.sh [path of lockmodel]
set -eu
lockmodel=${1:-lockmodel}
run() {
    printf '$ lockmodel %s\n' "$*"
    "$lockmodel" "$@"
    printf '\n'
}
run predict execl-xeon8369b
run ceiling execl-xeon8369b
run levers execl-xeon8369b
run whatif execl-xeon8369b -n 64,128 --lever batch:libc.so.6/exec.map_split=1 \
    --lever shard:libc.so.6=8
