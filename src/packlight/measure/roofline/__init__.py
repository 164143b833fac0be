"""The roofline: a machine's minimum time for a variant's work, and how close the variant comes to it.

Williams, Waterman & Patterson (2009), Roofline: An Insightful Visual Performance Model for Multicore Architectures,
Communications of the ACM 52(4): no program is faster than its arithmetic at the machine's peak rate, nor than its
bytes at the machine's bandwidth.
"""

from packlight.measure.roofline.bound import roofline
from packlight.measure.roofline.machine import measure_machine
from packlight.measure.roofline.macs import Work
from packlight.measure.roofline.work import work_of

__all__ = ["Work", "measure_machine", "roofline", "work_of"]
