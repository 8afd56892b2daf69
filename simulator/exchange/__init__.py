"""A Binance-compatible exchange on loopback, for the demo, tests and load runs: `python -m simulator.exchange`.

It serves Binance's archive of files too, and the same market as Kraken and CoinGecko would.

It serves made-up candles or a recorded market, goes on minute by minute with the clock, and fails in named ways when told to.
"""
