"""From prepared data to weights: one pure step, and a loop that saves and resumes."""
