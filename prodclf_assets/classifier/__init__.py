"""The model, free of frameworks."""

import os

# LightGBM's threads otherwise spin while they wait, and where another process wants the core (a webserver, a second
# run) they spin against it: 7 s of training became 200 s. OpenMP reads this once, when it is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
