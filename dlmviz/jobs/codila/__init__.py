"""Training CoDiLA's local model as a job."""
