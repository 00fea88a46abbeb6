"""What the jobs share that train the part a sampler needs."""
