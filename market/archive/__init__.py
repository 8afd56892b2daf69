"""Binance's archive of daily and monthly files: a long history without a request for each thousand candles."""
