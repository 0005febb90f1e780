"""Counts to the number given, slowly. At SIGUSR1 it writes where it is to the file state,
and ends with status 75; it goes on from there."""

import os
import signal
import sys
import time

asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(True))
at = 0
if os.path.exists("state"):
    with open("state") as f:
        at = int(f.read())
    print("going on at", at, flush=True)
last = int(sys.argv[1])
while at < last:
    time.sleep(0.1)
    at += 1
    if asked:
        with open("state.new", "w") as f:
            f.write(str(at))
        os.rename("state.new", "state")
        print("stopped at", at, flush=True)
        sys.exit(75)
print("done:", at, flush=True)
