#!/bin/sh
# Get ready for the tests in tests/lab: QEMU, a C compiler, mke2fs (tests of the guest's disk need it
# as well) and two kernel packages in folder $1.
#
# Nothing of the kernels is installed. Fails where this cannot be had (no Debian, no root, no
# network): a lab that is not run is not tested.
set -eu
folder=${1:?usage: tools/lab-kernels.sh FOLDER}
give_up() {
    echo "$0: $*" >&2
    exit 1
}
command -v apt-get >/dev/null || give_up "no apt-get: kernel packages cannot be had"
missing=""
command -v qemu-system-x86_64 >/dev/null || missing="qemu-system-x86"
command -v cc >/dev/null && [ -n "$(cc -print-file-name=libc.a | grep /)" ] ||
    missing="$missing gcc libc6-dev"
[ -x /sbin/mke2fs ] || missing="$missing e2fsprogs"
if [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    # shellcheck disable=SC2086  # a list of packages
    [ -z "$missing" ] ||
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
            >/dev/null
elif [ -n "$missing" ]; then
    give_up "not root: $missing cannot be installed"
fi
mkdir -p "$folder"
newest() {
    apt-cache search --names-only "^linux-image-$1[0-9.]*[0-9+deb-]*-cloud-amd64-unsigned\$" |
        cut -d' ' -f1 | sort -V | tail -1
}
for series in '6[.]1[.]' '6[.]12[.]'; do
    package=$(newest "$series")
    [ -n "$package" ] || give_up "no package of Linux $series; run apt-get update"
    if ! ls "$folder/${package}"_*.deb >/dev/null 2>&1; then
        (cd "$folder" && apt-get download -qq "$package" 2>/dev/null) ||
            give_up "$package cannot be downloaded"
    fi
done
