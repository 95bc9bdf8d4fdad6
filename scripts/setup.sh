#!/bin/sh
# Makes .venv beside this repository's pyproject.toml and installs the program into it, from the clone.
#
#   sh scripts/setup.sh run    the program with the embedded engine; without the engine where it cannot be had
#   sh scripts/setup.sh dev    what the tests and checks need besides
#
# Needs a Python of at least 3.11 with venv, and a package index. The Makefile calls it when pyproject.toml is newer
# than the stamp it leaves in .venv.
set -eu
cd "$(dirname "$0")/.."
venv=.venv
log=$venv/setup.log

say() { printf '%s\n' "$*"; }

# Sets `python` to the first interpreter that is new enough and can make environments, or says what is in the way.
find_python() {
    older='' bare=''
    for name in python3.13 python3.12 python3.11 python3 python; do
        version=$("$name" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
        if ! "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            older="$older${older:+, }$name is $version"
        elif ! "$name" -c 'import ensurepip, venv' 2>/dev/null; then
            bare=${bare:-$name}
        else
            python=$name
            return
        fi
    done
    if [ -n "$bare" ]; then
        say "$bare cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2
        case $bare in python3.*) say "(for this very $bare the package is called $bare-venv)" >&2 ;; esac
    elif [ -n "$older" ]; then
        say "Python 3.11 or newer is needed, and $older." >&2
    else
        say "Python 3.11 or newer is needed, and none is on the PATH (looked for python3.13, 3.12, 3.11, python3, python)." >&2
    fi
    exit 1
}

pip_install() { "$venv/bin/python" -m pip install --quiet --no-input --only-binary :all: "$@" >>"$log" 2>&1; }

give_up() {
    say "The installation failed. The end of $log:" >&2
    tail -n 12 "$log" >&2
    exit 1
}

# The reason a person can use, out of what the import of the engine's library wrote.
why_not() {
    case $1 in
    *libgomp*) say "libgomp.so.1 is missing; on Debian and Ubuntu: apt install libgomp1, then make setup" ;;
    '') say "its library ended the process at once; an older processor may lack AVX2" ;;
    *) say "$1" ;;
    esac
}

forget_engine() { "$venv/bin/python" -m pip uninstall --quiet --yes xllamacpp >>"$log" 2>&1 || give_up; }

install_run() {
    if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        find_python
        say "Setting up .venv with $python (once) …"
        "$python" -m venv --clear "$venv" || { rm -rf "$venv"; exit 1; }
    else
        say "Bringing .venv up to date …"
    fi
    : >"$log"
    # dependency groups need pip 25.1; an environment made without pip gets one
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >>"$log" 2>&1 || give_up
    "$venv/bin/python" -c 'import pip, sys; sys.exit(tuple(map(int, pip.__version__.split(".")[:2])) < (25, 1))' ||
        pip_install --upgrade 'pip>=25.1' || give_up
    if ! pip_install --editable '.[embedded]'; then
        pip_install --editable . || give_up
        forget_engine
        say "Installed without the embedded engine: xllamacpp has no wheel that fits this machine ($log has pip's words)."
    elif ! words=$("$venv/bin/python" -c 'import xllamacpp' 2>&1); then
        forget_engine
        reason=$(why_not "$(printf '%s' "$words" | tail -n 1)")
        say "Installed without the embedded engine: xllamacpp cannot be started here ($reason)."
    fi
}

install_dev() {
    say "Fetching what tests and checks need …"
    pip_install --group dev || give_up
}

case ${1-} in
run) install_run ;;
dev) install_dev ;;
*) say "usage: sh scripts/setup.sh run|dev" >&2; exit 2 ;;
esac
: >"$venv/.installed-$1"
