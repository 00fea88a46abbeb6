"""Distillation as a job: recipe, prompts, the stages, scores. `recipe` alone imports no torch."""
