"""The audio tokenizer: sound to codes and back."""
