#!/bin/sh
# Get ready for the tests in tests/lab: QEMU, a C compiler and two kernel packages in folder $1.
#
# Nothing of the kernels is installed. Fails where this cannot be had: no Debian, no root, no
# network; the lab is then not tested, which the caller has to say.
set -eu
folder=${1:?usage: tools/lab-kernels.sh FOLDER}
command -v apt-get >/dev/null || { echo "no apt-get: kernel packages cannot be had"; exit 1; }
missing=""
command -v qemu-system-x86_64 >/dev/null || missing="qemu-system-x86"
command -v cc >/dev/null && [ -n "$(cc -print-file-name=libc.a | grep /)" ] ||
    missing="$missing gcc libc6-dev"
if [ -n "$missing" ]; then
    [ "$(id -u)" = 0 ] || { echo "not root: $missing cannot be installed"; exit 1; }
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
        >/dev/null
fi
mkdir -p "$folder"
newest() {
    apt-cache search --names-only "^linux-image-$1[0-9.]*[0-9+deb-]*-cloud-amd64-unsigned\$" |
        cut -d' ' -f1 | sort -V | tail -1
}
found=0
for series in '6[.]1[.]' '6[.]12[.]'; do
    package=$(newest "$series")
    [ -n "$package" ] || { echo "no package of Linux $series"; continue; }
    if ! ls "$folder/${package}"_*.deb >/dev/null 2>&1; then
        (cd "$folder" && apt-get download -qq "$package" 2>/dev/null) || continue
    fi
    found=$((found + 1))
done
[ "$found" -gt 0 ] || { echo "no kernel package could be loaded"; exit 1; }
