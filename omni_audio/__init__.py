"""omni_audio: train, study and serve one small network that hears and speaks."""

__version__ = "0.1.0"
