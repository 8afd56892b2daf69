"""A Binance-compatible exchange and an Allora-compatible chain on loopback."""
