"""`python -m simulator.announce`: tell the containers beside this one that they belong to a demo.

Its working folder's `demo/` is a volume in memory that all of them share: what is written there is gone once the last of them has
stopped, so a node that is started without the simulators knows nothing of them. The demo's candles and models lie beside the real
ones, never among them.
"""

from __future__ import annotations

from pathlib import Path

from node.environment import DEMO_FILE
from simulator.demo_environment import environment, make_wallet


def main() -> None:
    """Write the wallet and the settings, the settings last and in one step."""
    settings = Path(DEMO_FILE).absolute()
    mnemonic = settings.with_name("mnemonic")
    make_wallet(mnemonic)
    variables = environment("exchange", "chain", mnemonic) | {
        "DATABASE_URL": "sqlite:////data/demo.db",
        "MODEL_STORE": "/models/demo",
    }
    aside = settings.with_suffix(".new")
    aside.write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()), encoding="utf-8")
    aside.replace(settings)


if __name__ == "__main__":
    main()
