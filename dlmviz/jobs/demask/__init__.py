"""Training DEMASK's predictor as a job."""
