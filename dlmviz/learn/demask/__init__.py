"""DEMASK's predictor of pairwise influence: its targets, its fitting (arXiv 2604.02560)."""
