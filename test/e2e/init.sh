#!/bin/bash
# First process of the PID namespace: reaps what it inherits, passes signals on, and ends with the exit code of its one child.
# When it ends, the kernel ends everything else in the namespace.
# Without the redirection a command in the background would read nothing.
"$@" <&0 &
child=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM INT HUP
while :; do
  wait "$child"
  code=$?
  # A trapped signal interrupts the wait; the child's end has another sign.
  kill -0 "$child" 2>/dev/null || exit "$code"
done
