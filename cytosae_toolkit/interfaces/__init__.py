"""The three contracts that plugins fulfil, and the specs by which they announce themselves."""
