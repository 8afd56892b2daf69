"""The ledger of served forecasts, and how good they were."""
