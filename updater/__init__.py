"""The process that keeps candles fresh and lets new models challenge the champions."""
