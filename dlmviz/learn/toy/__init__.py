"""DAPD's toy experiment (arXiv 2603.12996, 3.2), from scratch: many small models at once."""
