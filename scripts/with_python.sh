#!/bin/sh
# Runs a script of this folder on a Python that is new enough: with_python.sh COMMAND SCRIPT [ARGUMENT...]
# COMMAND is what messages call it. $PYTHON, where set, is the only interpreter tried.
set -u
name=$1
script=$(dirname -- "$0")/$2
shift 2

probe='import sys; print("%d.%d" % sys.version_info[:2]); sys.exit(sys.version_info < (3, 10))'
chosen=
found=

consider() {
    [ -z "$chosen" ] || return 0
    path=$(command -v "$1") || return 0
    # A version manager's shim can be on PATH and yet run nothing: then the probe prints no version.
    if version=$("$path" -c "$probe" 2>/dev/null); then
        chosen=$path
    elif [ -n "$version" ]; then
        found="${found:+$found, }$version at $path"
    fi
}

if [ -n "${PYTHON:-}" ]; then
    consider "$PYTHON"
    : "${found:=PYTHON=$PYTHON, and that does not run}"
else
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python3.10 python; do
        consider "$candidate"
    done
fi

if [ -z "$chosen" ]; then
    echo "$name needs Python 3.10 or later; found ${found:-none on PATH}." >&2
    echo "Install a newer one, or name it: PYTHON=/path/to/python3 $name" >&2
    exit 1
fi
exec "$chosen" "$script" "$@"
