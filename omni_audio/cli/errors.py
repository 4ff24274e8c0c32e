"""One line for an error: what went wrong and, where it is known, what to do."""

import errno

USER_ERRORS = (
    ValueError,
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    FileExistsError,
    PermissionError,
)
"""What the user can put right."""


def describe(error: Exception) -> str:
    """Returns one line that says what went wrong and, where it is known, what to do."""
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        place = f" while writing {error.filename}" if error.filename else ""
        return f"the disk is full{place}: free some space and run the same command again; finished stages are kept"
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"no such file: {error.filename}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.strerror}: {error.filename}"
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("omni_audio"):
        return f"package {error.name!r} is not installed: pip install 'omni-audio[corpus,eval]' adds the optional ones"
    text = " ".join(str(error).split())
    raised_here = isinstance(error, OSError) and error.errno is None
    if (isinstance(error, USER_ERRORS) or raised_here) and text:
        return text
    return f"{type(error).__name__}: {text or 'no message'} (run again with --debug for the traceback)"
