#!/bin/bash
# Starts the policies' agent in a mount namespace of its own, with a /proc like the real one except for two things:
# - There is a list of loaded modules. A kernel that cannot load any has no such file, and the agent ends without it.
# - Settings of the whole kernel are read-only, since the agent would change some of them for the rest of the machine. Those of the network
#   belong to this node alone.
# usage: policy-agent.sh <folder> <program> [<argument>...]
set -e
real=$1/proc
kernel=$1/proc-read-only
shift
mkdir -p "$real" "$kernel"
mount -t proc proc "$real"
mount -t proc -o ro proc "$kernel"
mount -t tmpfs -o mode=755 tmpfs /proc
# The agent keeps the number of this shell.
for process in 1 $$; do ln -s "$real/$process" "/proc/$process"; done
for entry in "$real"/*; do
  name=${entry##*/}
  case $name in
    [0-9]* | sys | modules) ;;
    *) ln -s "$entry" "/proc/$name" ;;
  esac
done
if [ -e "$real/modules" ]; then ln -s "$real/modules" /proc/modules; else : > /proc/modules; fi
mkdir /proc/sys
for entry in "$real"/sys/*; do ln -s "$entry" "/proc/sys/${entry##*/}"; done
ln -sfn "$kernel/sys/kernel" /proc/sys/kernel
exec "$@"
