"""SeqRec offline: data, network, training, evaluation, artifact and scorer."""

import os

# Results should not depend on what else the machine is doing: by default, the matrix library takes fewer threads under
# load, and sums in another order. It reads this when torch is first imported.
os.environ.setdefault("MKL_DYNAMIC", "FALSE")
