"""Capacity: the workers, machines and cost of a level of traffic, from measured figures."""

from packlight.analysis.capacity.plan import UTILISATION, Fit, Plan, plan, plan_all
from packlight.analysis.capacity.prices import Machine, PriceTable, default_prices, default_prices_text, read_prices

__all__ = [
    "UTILISATION",
    "Fit",
    "Machine",
    "Plan",
    "PriceTable",
    "default_prices",
    "default_prices_text",
    "plan",
    "plan_all",
    "read_prices",
]
