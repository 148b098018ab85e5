"""COCO weights of a MobileNetV2 backbone, as a file."""

from pathlib import Path


class MobileNetV2ModelFile:
    """Knows the file of the weights for timm's `mobilenetv2_100` with `pad_type="same"`."""

    @staticmethod
    def get_model_file_path() -> str:
        """Return the path of a safetensors file."""
        return str(Path(__file__).parent / "mobilenetv2_100.safetensors")
