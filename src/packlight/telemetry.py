"""Turn off the usage reports of packlight's dependencies before any of them is loaded.

Some libraries report their use to their makers. `import packlight` calls `switch_off`, so reports are off in every
process that runs packlight, and, through the environment, in its children. docs/decisions/0020-no-usage-reports.md
lists what each library does and how we found out.
"""

import os
import sys

SWITCHES = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""environment variables: one for onnxruntime, and one for huggingface_hub, hf-xet and transformers"""
RAY_SWITCH = {"RAY_USAGE_STATS_ENABLED": "0"}
"""the environment variable for Ray, which no server has"""


def switch_off() -> None:
    """Turn off the reports of every library, whatever the environment says.

    Libraries that are already loaded have read their variables, so they are told directly. For onnxruntime, that stops
    only its optional events. To stop all of them, the variable must be set before its import.
    """
    os.environ.update(SWITCHES | RAY_SWITCH)
    if (runtime := sys.modules.get("onnxruntime")) is not None:
        runtime.disable_telemetry_events()
    if (constants := sys.modules.get("huggingface_hub.constants")) is not None:
        constants.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]
    if (sender := sys.modules.get("openvino_telemetry.utils.sender")) is not None:
        sender.TelemetrySender.send = _send_nothing
    # If this package cannot be imported, OpenVINO and NNCF use a stub. They have no other switch.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


def _send_nothing(*_: object, **__: object) -> None:
    pass
