"""What is known: candles and their invariants, exchange clients, gap repair and the candle store."""
