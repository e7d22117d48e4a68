"""Models of services and arrivals, fitted to what was recorded. Pure: journals and numbers in, models and words out."""
