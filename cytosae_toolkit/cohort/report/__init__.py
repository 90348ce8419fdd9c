"""Reports for people: one HTML file about a patient or about two groups, in which every number names its file."""
