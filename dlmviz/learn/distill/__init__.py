"""Dependency-aware self-distillation: settings, noise, target, loop, data."""
