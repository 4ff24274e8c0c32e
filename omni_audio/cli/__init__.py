"""The `omni-audio` command: one thin file a subcommand; torch is loaded only by the command that needs it."""
