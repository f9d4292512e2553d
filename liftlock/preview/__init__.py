"""What a branch would change, told before it does: releases, manifests, GPUs, cost and gates."""
