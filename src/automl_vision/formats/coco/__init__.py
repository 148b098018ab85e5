"""COCO and panoptic JSON."""
