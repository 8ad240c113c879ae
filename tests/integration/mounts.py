"""Shell that mounts something over a directory and keeps this checkout in sight.

A clone may lie below /tmp, and a test that lays something over /tmp must not hide it: programs, the
layer and the functions would be gone. So whatever a test mounts over a directory that others use, it
mounts with `over`. Needs mounts of one's own (unshare --mount).
"""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]

# The checkout is kept at /mnt while the other mount comes, then laid into it at its old place.
OVER = """
over() { # CHECKOUT DIRECTORY WORD...: mount WORD... DIRECTORY
  kept=$1 place=$2; shift 2
  case $kept in
  "$place"/*)
    mount --bind "$kept" /mnt && mount "$@" "$place" && mkdir -p "$kept" &&
    mount --move /mnt "$kept" && { cd "$PWD" || cd /; } ;;
  *) mount "$@" "$place" ;;
  esac
}
"""

# $0: mount options, $1: the checkout. Options come last: in a /tmp that is read-only no place for the
# checkout could be made.
PRIVATE_TMP = f"""{OVER}
over "$1" /tmp -t tmpfs tmpfs && mount -o "remount,$0" /tmp && shift && exec "$@"
"""


def bound_over_tmp(folder):
    """A line of shell that makes /tmp be this folder."""
    return f"{OVER}\nover '{ROOT}' /tmp --bind '{folder}'"
