"""The roofline: what a machine could do at best with the work of a variant, and how far from that it is.

Williams, Waterman & Patterson (2009), Roofline: An Insightful Visual Performance Model for Multicore Architectures,
Communications of the ACM 52(4): no program is faster than its arithmetic at the machine's peak rate, nor than its
bytes at the machine's bandwidth.
"""

from packlight.roofline.bound import roofline
from packlight.roofline.machine import measure_machine
from packlight.roofline.work import ENGINES, Work, work_of

__all__ = ["ENGINES", "Work", "measure_machine", "roofline", "work_of"]
