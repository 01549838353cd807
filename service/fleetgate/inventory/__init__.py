"""What each cluster's feed watches, and how fresh it has to be."""
