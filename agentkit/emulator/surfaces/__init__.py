"""The endpoints beside Chat Completions, each with its own words for a request, an answer, a stream and an error."""
