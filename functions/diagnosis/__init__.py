"""Brand diagnosis: N questions put to M language models, and what their answers say of a brand."""
