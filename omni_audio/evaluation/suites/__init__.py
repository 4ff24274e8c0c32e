"""Public test sets read from local folders: one small file each, all run by `runner.run`."""
