"""``python -m cytosae_toolkit``, as ``torchrun`` needs it."""

from cytosae_toolkit.cli.main import main

if __name__ == "__main__":
    main()
