"""Usage reports of the libraries beneath packlight, switched off before any of them is loaded.

Some libraries tell their makers who uses them and how. `import packlight` calls `switch_off`, so this holds in every
process that runs packlight's code, and in their children by the environment. What each library does, and how it was
found: docs/decisions/0020-no-usage-reports.md.
"""

import os
import sys

SWITCHES = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
"""environment variables: onnxruntime's, and the one of huggingface_hub, hf-xet and transformers"""


def switch_off() -> None:
    """Keep every library from reporting, whatever the environment said before.

    Libraries that are loaded already have read their variables, so they are told directly. For onnxruntime that comes
    too late for all but its optional events: only the variable, set before its import, stops it altogether.
    """
    os.environ.update(SWITCHES)
    if (runtime := sys.modules.get("onnxruntime")) is not None:
        runtime.disable_telemetry_events()
    if (constants := sys.modules.get("huggingface_hub.constants")) is not None:
        constants.HF_HUB_DISABLE_TELEMETRY = True  # type: ignore[attr-defined]
    if (sender := sys.modules.get("openvino_telemetry.utils.sender")) is not None:
        sender.TelemetrySender.send = _send_nothing
    # OpenVINO and NNCF use a stub where this package cannot be imported, and know no other switch.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


def _send_nothing(*_: object, **__: object) -> None:
    pass
