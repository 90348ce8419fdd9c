"""The napari plugin of cytosae-toolkit."""
