"""Learning the dictionary: config, trainer, metrics, run folder, resume."""
