"""Audio units, files, features and augmentation."""
