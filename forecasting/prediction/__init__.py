"""From a served graph and the newest candles to a forecast, its path and its intervals; no torch."""
