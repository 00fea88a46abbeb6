"""CoDiLA's local model: pieces to learn from, its fitting, its score (arXiv 2603.20216)."""
