"""Patients and diseases: concept barcodes, their classification and comparison."""
