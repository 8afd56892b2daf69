"""The process that submits: one wallet, every topic of config.json."""
