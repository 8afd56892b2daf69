"""Where candles come from: one file for each exchange."""
