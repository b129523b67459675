"""The exchange: the only package that imports pyinjective for trading. Its exceptions stop here.

The same code trades on paper, testnet and mainnet; only the `Network` differs. Units (injective-py 1.16.2):
the composer takes human `Decimal`; what comes back is human x 10^18, except bank coins (chain integers) and
deposits (chain units x 10^18).
"""

from bots.injective.market_data import MarketData
from bots.injective.network import network_for
from bots.injective.trading import Injective

__all__ = ["Injective", "MarketData", "network_for"]
