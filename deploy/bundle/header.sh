#!/bin/sh
# @NAME@: the gateway with all that it needs, for a machine without internet. Run it as root:
#     sh @NAME@.run            install it, or upgrade what is there
#     sh @NAME@.run --help     what else it does
# What follows the last line of this text is a tar archive.
set -eu
begin=@LINES@ sum=@SUM@ self=$0
if ! [ "$(tail -n +"$begin" "$self" | sha256sum | cut -d' ' -f1)" = "$sum" ]; then
    echo "$self: this file is damaged or not whole; copy it here once more and compare it with its .sha256" >&2
    exit 1
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/gateway-bundle.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
tail -n +"$begin" "$self" | tar --extract --file - --directory "$work" --no-same-owner
sh "$work/install.sh" "$@"
exit
