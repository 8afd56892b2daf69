"""Models trained and scored on recorded candles, and the reports of it."""
