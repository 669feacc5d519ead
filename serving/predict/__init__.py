"""From a request to probabilities: decoding, loaded models, scoring."""
