"""The data feed: an HTTP service that hands out the data set as a hospital system would, and its client."""
